// Keeps one WebSocket open, whatever happens to it, and re-follows the logs someone watches.
import { batch } from "@preact/signals";
import { openLive, type LiveSocket } from "./api";
import type { Fleet } from "./state";
import type { AppKey, LogLine, ServerFrame } from "./types";

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 10_000;
/** The server pings every few seconds; this much silence means the connection is dead. */
const SILENCE_MS = 15_000;

export interface LogWatcher {
    lines(lines: LogLine[], skipped: number, reset: boolean): void;
    failed(error: string): void;
}

interface Watch {
    tail: number;
    watcher: LogWatcher;
}

export class LiveLink {
    private socket: LiveSocket | null = null;
    private retry: ReturnType<typeof setTimeout> | undefined;
    private watchdog: ReturnType<typeof setInterval> | undefined;
    private failures = 0;
    private heard = 0;
    private readonly watches = new Map<AppKey, Watch>();

    constructor(
        private readonly fleet: Fleet,
        /** Called after a connection was lost: a refused upgrade does not tell a browser that its session ended. */
        private readonly checkSession: () => void,
    ) {}

    start(): void {
        if (this.watchdog !== undefined) return;
        this.watchdog = setInterval(() => this.checkSilence(), 1000);
        addEventListener("online", this.retryNow);
        addEventListener("offline", this.lose);
        document.addEventListener("visibilitychange", this.retryWhenVisible);
        this.open();
    }

    stop(): void {
        clearInterval(this.watchdog);
        clearTimeout(this.retry);
        this.watchdog = undefined;
        removeEventListener("online", this.retryNow);
        removeEventListener("offline", this.lose);
        document.removeEventListener("visibilitychange", this.retryWhenVisible);
        this.socket?.close();
        this.socket = null;
    }

    follow(app: AppKey, tail: number, watcher: LogWatcher): () => void {
        this.watches.set(app, { tail, watcher });
        this.socket?.send({ type: "follow", app, tail });
        return () => {
            if (this.watches.get(app)?.watcher !== watcher) return;
            this.watches.delete(app);
            this.socket?.send({ type: "unfollow", app });
        };
    }

    readonly retryNow = (): void => {
        if (this.watchdog === undefined || this.fleet.link.peek() === "live") return;
        this.socket?.close();
        this.open();
    };

    private readonly retryWhenVisible = (): void => {
        if (document.visibilityState === "visible") this.retryNow();
    };

    private open(): void {
        clearTimeout(this.retry);
        this.heard = Date.now();
        this.socket = openLive({ frame: (frame) => this.onFrame(frame), closed: this.lose });
    }

    private onFrame(frame: ServerFrame): void {
        this.heard = Date.now();
        this.fleet.lastFrame.value = this.heard;
        switch (frame.type) {
            case "snapshot":
                this.failures = 0;
                batch(() => {
                    this.fleet.apply(frame);
                    this.fleet.link.value = "live";
                });
                for (const [app, { tail }] of this.watches) this.socket?.send({ type: "follow", app, tail });
                break;
            case "delta":
                if (!batch(() => this.fleet.apply(frame))) this.lose();
                break;
            case "log":
                this.watches.get(frame.app)?.watcher.lines(frame.lines, frame.skipped ?? 0, frame.reset ?? false);
                break;
            case "log_error":
                this.watches.get(frame.app)?.watcher.failed(frame.error);
                break;
            case "bye":
                this.lose();
                break;
            case "error":
                console.error(`The controller did not understand a frame: ${frame.error}`);
                break;
            case "hello":
            case "ping":
                break;
        }
    }

    private readonly lose = (): void => {
        if (this.watchdog === undefined) return;
        this.socket?.close();
        this.socket = null;
        this.fleet.link.value = "lost";
        const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.failures);
        this.failures++;
        clearTimeout(this.retry);
        // Jitter, so that a restarted controller does not meet every open panel in the same moment.
        const delay = BACKOFF_MIN_MS + Math.random() * (ceiling - BACKOFF_MIN_MS / 2);
        this.retry = setTimeout(() => this.reopen(), Math.min(delay, BACKOFF_MAX_MS));
    };

    private reopen(): void {
        this.open();
        this.checkSession();
    }

    private checkSilence(): void {
        if (this.socket && Date.now() - this.heard > SILENCE_MS) this.lose();
    }
}
