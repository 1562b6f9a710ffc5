// The only file that talks to the network.
import type {
    ActionResult, AppDetails, AppKey, BulkResult, ClientFrame, Crashes, Explanation, Logs, Mailboxes, Messages, Metrics, Removed,
    Resent, Scaled, SentMessage, ServerFrame, Session, Trace, VerbName,
} from "./types";
import { base } from "./base";
import { parseReadable } from "./readable";

const BASE = `${base}/api/v1`;

/** A problem document (RFC 9457), or the lack of an answer (status 0). */
export class Problem extends Error {
    constructor(
        readonly status: number,
        readonly title: string,
        readonly detail: string,
        readonly setupRequired = false,
        readonly retryAfter: number | null = null,
        /** Of input that was not taken whole: how many bytes were. */
        readonly taken = 0,
    ) {
        super(detail || title);
    }
}

let csrf = "";
let onSignedOut: () => void = () => {};

export function setCsrf(token: string): void {
    csrf = token;
}

/** Called when any request but log in itself finds the session gone. */
export function setSignedOutHandler(handler: () => void): void {
    onSignedOut = handler;
}

function idempotencyKey(): string {
    // Not crypto.randomUUID: the panel is also served over plain HTTP, where that does not exist.
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

async function problemOf(response: Response): Promise<Problem> {
    const retry = Number(response.headers.get("Retry-After"));
    let body: Record<string, unknown> = {};
    try {
        body = parseReadable(await response.text()) as Record<string, unknown>;
    } catch {
        // A proxy may answer with HTML; the status still says enough.
    }
    const text = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : "");
    return new Problem(
        response.status,
        text("title") || response.statusText || `HTTP ${response.status}`,
        text("detail"),
        body["setup_required"] === true,
        Number.isFinite(retry) && retry > 0 ? retry : null,
        typeof body["taken"] === "number" ? body["taken"] : 0,
    );
}

/** `body`: JSON. */
async function send<T>(method: string, path: string, body: string | null): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (method !== "GET") {
        headers["Content-Type"] = "application/json";
        headers["X-CSRF-Token"] = csrf;
        headers["Idempotency-Key"] = idempotencyKey();
    }
    let response: Response;
    try {
        response = await fetch(BASE + path, {
            method,
            headers,
            credentials: "same-origin",
            cache: "no-store",
            body,
        });
    } catch {
        throw new Problem(0, "No answer", "The controller does not answer. Apps keep running without it.");
    }
    if (!response.ok) {
        const problem = await problemOf(response);
        if (problem.status === 401 && path !== "/session") onSignedOut();
        throw problem;
    }
    return (response.status === 204 ? undefined : parseReadable(await response.text())) as T;
}

function request<T>(method: string, path: string, body?: unknown): Promise<T> {
    return send<T>(method, path, body === undefined ? null : JSON.stringify(body));
}

function appPath(key: AppKey): string {
    const slash = key.indexOf("/");
    return `/agents/${encodeURIComponent(key.slice(0, slash))}/apps/${encodeURIComponent(key.slice(slash + 1))}`;
}

export const api = {
    session: () => request<Session>("GET", "/session"),
    logIn: (username: string, password: string) => request<Session>("POST", "/session", { username, password }),
    logOut: () => request<void>("DELETE", "/session"),
    changePassword: (present: string, password: string) =>
        request<void>("POST", "/session/password", { present, password }),
    setUp: (token: string, username: string, password: string) =>
        request<Session>("POST", "/setup", { token, username, password }),
    details: (key: AppKey) => request<AppDetails>("GET", appPath(key)),
    explain: (key: AppKey) => request<Explanation>("GET", `${appPath(key)}/explain`),
    metrics: (key: AppKey, since: string) =>
        request<Metrics>("GET", `${appPath(key)}/metrics?since=${encodeURIComponent(since)}`),
    crashes: (key: AppKey) => request<Crashes>("GET", `${appPath(key)}/crashes`),
    scale: (agent: string, base: string, count: number) =>
        request<Scaled>("POST", `${appPath(`${agent}/${base}`)}/scale`, { count }),
    act: (key: AppKey, verb: VerbName) =>
        request<ActionResult>("POST", `${appPath(key)}/${verb}`, {}),
    /** What is so already is no failure. */
    actAll: (verb: VerbName, apps: AppKey[]) =>
        request<{ results: BulkResult[] }>("POST", "/apps/actions", { verb, apps, if_needed: true }),
    stdin: (key: AppKey, data: string) => request<void>("POST", `${appPath(key)}/stdin`, { data }),
    mailboxes: (agent: string) =>
        request<Mailboxes>("GET", `/agents/${encodeURIComponent(agent)}/mailboxes`),
    trace: (agent: string, app: string) =>
        request<Trace>("GET",
            `/agents/${encodeURIComponent(agent)}/trace?limit=200&app=${encodeURIComponent(app)}`),
    mailbox: (key: AppKey) => request<Messages>("GET", `${appPath(key)}/mailbox?limit=20`),
    deadLetters: (key: AppKey) => request<Messages>("GET", `${appPath(key)}/mailbox?limit=20&dead=true`),
    /** One of them, or all. */
    resend: (key: AppKey, message?: number) => request<Resent>("POST", `${appPath(key)}/mailbox/resend`, { message }),
    dropDeadLetters: (key: AppKey) => request<Removed>("DELETE", `${appPath(key)}/mailbox?dead=true`),
    clearMailbox: (key: AppKey) => request<Removed>("DELETE", `${appPath(key)}/mailbox`),
    removeMessage: (key: AppKey, id: number) => request<void>("DELETE", `${appPath(key)}/mailbox/${id}`),
    /** `json` goes out as it was written: JavaScript would round its whole numbers. */
    sendMessage: (key: AppKey, json: string) =>
        send<SentMessage>("POST", `${appPath(key)}/messages`, `{"payload":${json}}`),
    /** The last `tail` lines of the whole log in which the RE2 expression is found. */
    searchLog: (key: AppKey, expression: string, tail: number) =>
        request<Logs>("GET", `${appPath(key)}/logs?tail=${tail}&grep=${encodeURIComponent(expression)}`),
    downloadUrl: (key: AppKey) => `${BASE}${appPath(key)}/logs/download`,
};

export interface LiveSocket {
    send(frame: ClientFrame): void;
    close(): void;
}

export interface LiveHandlers {
    frame(frame: ServerFrame): void;
    closed(): void;
}

/** Log lines stay as they are: colours are wanted there, and the list shows what else is in them. */
function frameOf(text: string): ServerFrame {
    return (text.startsWith('{"type":"log"') ? JSON.parse(text) : parseReadable(text)) as ServerFrame;
}

export function openLive(handlers: LiveHandlers): LiveSocket {
    const url = new URL(`${BASE}/live`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    let over = false;
    const finish = () => {
        if (over) return;
        over = true;
        handlers.closed();
    };
    socket.onmessage = (event) => {
        if (!over) handlers.frame(frameOf(event.data as string));
    };
    socket.onclose = finish;
    socket.onerror = finish;
    return {
        send(frame) {
            if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
        },
        // Silent: who closes knows it. A socket to a dead peer may take minutes to report its own close.
        close() {
            over = true;
            socket.close();
        },
    };
}
