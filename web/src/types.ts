// What the API speaks. Names are those of the wire.

export const STATES = [
    "running", "starting", "waiting", "backoff", "stopping", "failed", "exited", "stopped",
] as const;
export type State = (typeof STATES)[number];

export type AgentState = "connected" | "connecting" | "unreachable" | "refused" | "stopped";

export interface Agent {
    name: string;
    endpoint: string;
    local: boolean;
    state: AgentState;
    since: string;
    last_seen: string | null;
    error: string | null;
    version: string | null;
    host: string | null;
    home: string | null;
    pid: number | null;
    apps: number;
}

export interface App {
    id: string;
    agent: string;
    name: string;
    comment: string;
    state: State;
    active: boolean;
    desired: "running" | "stopped";
    reason: string;
    since: string;
    pid: number | null;
    exit_code: number | null;
    signal: string | null;
    started: string | null;
    finished: string | null;
    next_try: string | null;
    restarts: number;
    cpu_percent: number | null;
    rss_bytes: number | null;
    processes: number | null;
    command: string;
    path: string;
    descriptor: string;
    backend: string;
    backend_id: string;
    tty: boolean;
    tags: string[];
    stale: boolean;
    changed_on_disk: boolean;
    /** How its descriptor's file differs from what is registered; "" when it does not. */
    descriptor_note: string;
    /** What was done to its log from outside. */
    log_note: string;
    actor: string;
    instance_of: string;
    check: string;
    said: string;
    schedule: string;
    next_run: string | null;
    limits: { name: string; value: string; by: string }[];
    mailbox: MailboxFigures | null;
}

/** What waits for an app; rates are a second, totals since the agent's start. */
export interface MailboxFigures {
    waiting: number;
    held: number;
    bytes: number;
    received: number;
    taken: number;
    redelivered: number;
    dead: number;
    in_rate: number;
    out_rate: number;
    oldest: string | null;
}

export interface Mailbox extends MailboxFigures {
    app: string;
    known: boolean;
    sessions: number;
}

export interface WaitingMessage {
    id: number;
    /** Empty: the operator. */
    from: string;
    time: string;
    attempt: number;
    held: boolean;
    durable: boolean;
    request: boolean;
    expires: string | null;
    /** Since when it is a dead letter. */
    dead: string | null;
    bytes: number;
    /** False: the payload is shown in part. */
    whole: boolean;
    /** Decoded for display, secrets masked. */
    payload: unknown;
}

export interface Messages {
    mailbox: MailboxFigures | null;
    messages: WaitingMessage[];
    more: boolean;
}

export interface TraceEntry {
    id: number;
    kind: "notify" | "request" | "event";
    from: string;
    /** Of an event: its type. */
    to: string;
    outcome: string;
    bytes: number;
    attempts: number;
    accepted: string;
    stored: string | null;
    given: string | null;
    ended: string | null;
}

export interface Explanation {
    explanation: string;
    cause: string;
    actor: string;
    next: string;
    evidence: string[];
    lines: string[];
}

/** A column each, all of one length. */
export interface Metrics {
    time: string[];
    cpu_percent: number[];
    rss_bytes: number[];
    pss_bytes: number[];
    processes: number[];
    threads: number[];
    descriptors: number[];
    read_rate: number[];
    write_rate: number[];
    messages: number[];
    messages_in: number[];
    messages_out: number[];
}

export interface Crash {
    generation: number;
    time: string;
    signature: string;
    how: string;
    bundle: { lines?: { stream: "stdout" | "stderr"; text: string }[] };
}

export interface Crashes {
    groups: { signature: string; how: string; count: number; first: string; last: string }[];
    crashes: Crash[];
}

export interface HistoryEntry {
    time: string;
    state: State;
    reason: string;
}

export interface AppDetails extends App {
    spec: Record<string, unknown>;
    history: HistoryEntry[];
}

export interface LogLine {
    time: string;
    stream: "stdout" | "stderr";
    text: string;
    partial: boolean;
    /** How many bytes of it were too much to be sent. */
    cut?: number;
}

export interface Logs {
    lines: LogLine[];
    cursor: string;
    more: boolean;
}

export interface Session {
    user: { name: string; role: string };
    csrf: string;
    version: string;
}

export type VerbName = "start" | "stop" | "restart" | "kill" | "clean";

export interface BulkResult {
    app: string;
    ok: boolean;
    error: string | null;
    /** What the panel adds: it was so already. */
    already?: boolean;
}

export type ServerFrame =
    | { type: "hello"; version: string; seq: number }
    | { type: "snapshot"; seq: number; agents: Agent[]; apps: App[] }
    | {
          type: "delta";
          seq: number;
          agents?: Agent[];
          apps?: App[];
          removed?: string[];
          removed_agents?: string[];
      }
    | { type: "log"; app: string; lines: LogLine[]; skipped?: number; reset?: boolean }
    | { type: "log_error"; app: string; error: string }
    | { type: "error"; error: string }
    | { type: "ping" }
    | { type: "bye"; reason: string };

export type ClientFrame =
    | { type: "follow"; app: string; tail: number }
    | { type: "unfollow"; app: string };

/** "agent/id": how an app is named across agents. */
export type AppKey = string;

export function keyOf(app: { agent: string; id: string }): AppKey {
    return `${app.agent}/${app.id}`;
}
