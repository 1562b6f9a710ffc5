/** The code is the relay's: 401 wrong secret, 403 not allowed, 404 unknown, 409 wrong state, 413 too large,
 * 429 mailbox full, 503 the agent is not there, 504 timed out. */
export class IpcError extends Error {
    constructor(code: number, message: string, info?: Record<string, unknown>);
    readonly code: number;
    readonly info: Record<string, unknown>;
}

/** Code 503: the agent is not there, or this client was closed. */
export class Disconnected extends IpcError {
    constructor(message: string);
}

/** Code 504. */
export class Timeout extends IpcError {
    constructor(message?: string);
}

export interface Options {
    /** The app's id; default $BERTH_APP. */
    app?: string;
    /** Default: what is in $BERTH_IPC_SECRET_FILE. */
    secret?: string;
    /** Default $BERTH_IPC. */
    endpoint?: string;
    /** How long a call may take unless it says otherwise; default 30 s. */
    timeoutMs?: number;
    /** For tcp:// with CURVE: keys in 64 hexadecimal digits, as `berth agent peers` shows them, or in 40 characters of Z85. */
    curve?: { serverKey: string; publicKey: string; secretKey: string };
    /** Told of what no call can tell: a handler that threw, a payload that is no msgpack. Default console.error. */
    onError?: (error: unknown) => void;
}

export interface CallOptions {
    timeoutMs?: number;
}

export interface NotifyOptions extends CallOptions {
    /** After that the message is worthless. */
    ttlMs?: number;
    /** False: kept in memory alone, faster. */
    durable?: boolean;
    /** A key by which a repeated call is known as the same. */
    dedupe?: string | number;
}

export interface Sent {
    ids: number[];
    /** Whether such an app exists; a message to one that is not installed yet is kept. */
    known: boolean | null;
    /** To an app of another agent: "connected", "away" or "unknown"; then `known` is null until that has told. */
    agent?: string;
}

/** Comes again later unless it is acknowledged. */
export interface Message<T = unknown> {
    readonly id: number;
    readonly from: string;
    readonly time: Date;
    /** 1 at the first time. */
    readonly attempt: number;
    /** Not 0: a request, whose sender waits for respond(). */
    readonly correlation: number;
    /** Numbers beyond 2^53 are bigint, bytes are Uint8Array. */
    readonly payload: T;
    ack(options?: CallOptions): Promise<void>;
    /** Still at it: it is not offered again for another while. Handlers need not say so. */
    working(options?: CallOptions): Promise<void>;
    /** Gives it back: it is offered again at once. */
    release(options?: CallOptions): Promise<void>;
    respond(payload: unknown, options?: CallOptions): Promise<void>;
}

export interface Event<T = unknown> {
    readonly type: string;
    readonly from: string;
    readonly seq: number;
    /** Where it was raised. */
    readonly agent: string;
    readonly payload: T;
}

export interface AppFacts {
    id: string;
    name: string;
    state: string;
    pid: number | null;
    reason: string;
    restarts: number;
}

/** A connection that speaks for one app. It connects at its first call, and again by itself; what waits for
 * an answer is asked again, unless that could do it twice. Calls reject with IpcError alone. An open client
 * keeps the process alive: close() it at the end. */
export class Client {
    /** Throws when app, secret or endpoint is neither given nor in the environment. */
    constructor(options?: Options);
    readonly app: string;

    /** Stored when it resolves. */
    notify(to: string, payload: unknown, options?: NotifyOptions): Promise<Sent>;
    /** One message for each payload, together. */
    notifyAll(to: string, payloads: unknown[], options?: NotifyOptions): Promise<Sent>;
    /** The waiting messages, oldest first; waits up to `waitMs` for the first. What was pushed and nobody has taken
     * is given first. Without `timeoutMs` one that waits ends in that time. */
    poll<T = unknown>(options?: CallOptions & {
        max?: number;
        waitMs?: number;
        ack?: (Message | number)[];
        /** They are acknowledged as they are taken. */
        autoAck?: boolean;
    }): Promise<Message<T>[]>;
    ack(messages: (Message | number)[], options?: CallOptions): Promise<void>;
    working(messages: (Message | number)[], options?: CallOptions): Promise<void>;
    release(messages: (Message | number)[], options?: CallOptions): Promise<void>;
    /** Throws away all that waits for this app; gives how many. */
    clear(options?: CallOptions): Promise<number>;
    /** Asks an app and gives its answer. Timeout when there is none in time. */
    request<T = unknown>(to: string, payload: unknown, options?: CallOptions): Promise<T>;
    respond(message: Message, payload: unknown, options?: CallOptions): Promise<void>;
    /** Tells every other app that listens now. Gives the event's number. */
    raise(type: string, payload?: unknown, options?: CallOptions): Promise<number>;

    start(app: string, options?: CallOptions): Promise<string>;
    stop(app: string, options?: CallOptions): Promise<string>;
    restart(app: string, options?: CallOptions): Promise<string>;
    isRunning(app: string, options?: CallOptions): Promise<boolean>;
    isAvailable(app: string, options?: CallOptions): Promise<boolean>;
    /** Null: there is no such app. */
    status(app: string, options?: CallOptions): Promise<AppFacts | null>;
    list(options?: CallOptions): Promise<AppFacts[]>;
    /** This app's config variables. */
    config(options?: CallOptions): Promise<Record<string, unknown>>;
    ping(options?: CallOptions): Promise<void>;
    version(options?: CallOptions): Promise<string>;

    /** Calls the handlers as messages and events come, one after the other. A message is acknowledged when its
     * handler is done, and comes again later when that threw; nobody else gets it meanwhile. Without `onMessage`
     * messages wait for poll(). `agent`: events of this other agent too, of a list of them, or of all ("*"). */
    listen(onMessage?: ((message: Message) => unknown) | null, onEvent?: (event: Event) => unknown, options?: { agent?: string | string[] }): void;
    /** Messages as they come; each wants its ack(). Ends with close(); who leaves it gives back what it held. */
    messages<T = unknown>(): AsyncIterableIterator<Message<T>>;
    events<T = unknown>(options?: { agent?: string | string[] }): AsyncIterableIterator<Event<T>>;

    /** Ends the connection, and every call that waits. */
    close(): void;
}

/** The same as `new Client(options)`. */
export function connect(options?: Options): Client;
