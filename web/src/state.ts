// What the panel knows: a snapshot, then numbered deltas. Views read signals; only the live link writes.
import { computed, signal, type Signal } from "@preact/signals";
import { numberedName } from "./readable";
import { keyOf, type Agent, type App, type AppKey, type ServerFrame, type Session, type VerbName } from "./types";

export type Link = "connecting" | "live" | "lost";

export interface Pending {
    verb: VerbName;
    /** What the app looked like at the click: any other look is the stream's confirmation. */
    was: string;
    answered: boolean;
}

/** Enough samples for five minutes at one every two seconds. */
const HISTORY = 150;

export interface Samples {
    cpu: number[];
    rss: number[];
}

function look(app: App): string {
    return `${app.state} ${app.since} ${app.pid} ${app.restarts}`;
}

export class Fleet {
    readonly link = signal<Link>("connecting");
    readonly lastFrame = signal(0);
    readonly loaded = signal(false);
    readonly agents = signal<Agent[]>([]);
    /** Changes only when apps come or go; each app's own signal carries its changes. */
    readonly keys = signal<AppKey[]>([]);
    readonly pending = signal<ReadonlyMap<AppKey, Pending>>(new Map());
    /** All apps, for lists and counts. */
    readonly list = computed(() => this.keys.value.map((key) => this.app(key).value).filter((a) => a !== undefined));

    private readonly apps = new Map<AppKey, Signal<App | undefined>>();
    private readonly samples = new Map<AppKey, Samples>();
    private seq = -1;

    app(key: AppKey): Signal<App | undefined> {
        let found = this.apps.get(key);
        if (!found) {
            found = signal(undefined);
            this.apps.set(key, found);
        }
        return found;
    }

    samplesOf(key: AppKey): Samples {
        let found = this.samples.get(key);
        if (!found) {
            found = { cpu: [], rss: [] };
            this.samples.set(key, found);
        }
        return found;
    }

    /** False when a delta is missing: the caller must reconnect for a snapshot. */
    apply(frame: ServerFrame): boolean {
        if (frame.type === "snapshot") {
            this.seq = frame.seq;
            this.replaceAll(frame.agents, frame.apps);
            return true;
        }
        if (frame.type !== "delta") return true;
        if (frame.seq <= this.seq) return true;
        if (frame.seq !== this.seq + 1) return false;
        this.seq = frame.seq;
        this.mergeAgents(frame.agents ?? [], frame.removed_agents ?? []);
        const removed = new Set(frame.removed ?? []);
        for (const agent of frame.removed_agents ?? []) {
            for (const key of this.keys.peek()) if (key.startsWith(`${agent}/`)) removed.add(key);
        }
        this.mergeApps(frame.apps ?? [], removed);
        return true;
    }

    markPending(key: AppKey, verb: VerbName): Pending {
        const app = this.app(key).peek();
        const mark = { verb, was: app ? look(app) : "", answered: false };
        this.setPending(key, mark);
        return mark;
    }

    /**
     * The request that made the mark has its answer; the mark stays until the stream has shown the change too. False:
     * a later request has taken its place.
     */
    answerPending(key: AppKey, mark = this.pending.peek().get(key)): boolean {
        if (!mark || this.pending.peek().get(key) !== mark) return false;
        const app = this.app(key).peek();
        mark.answered = true;
        if (!app || look(app) !== mark.was) this.clearPending(key);
        return true;
    }

    /** Takes the mark off; with `mark`, only that one. */
    clearPending(key: AppKey, mark?: Pending): void {
        const now = this.pending.peek().get(key);
        if (now && (!mark || mark === now)) this.setPending(key, null);
    }

    reset(): void {
        this.seq = -1;
        this.replaceAll([], []);
        this.samples.clear();
        this.pending.value = new Map();
        this.loaded.value = false;
        this.link.value = "connecting";
    }

    private setPending(key: AppKey, mark: Pending | null): void {
        const next = new Map(this.pending.peek());
        if (mark) next.set(key, mark);
        else next.delete(key);
        this.pending.value = next;
    }

    private replaceAll(agents: Agent[], apps: App[]): void {
        this.agents.value = sortAgents(agents);
        const present = new Set(apps.map(keyOf));
        const gone = new Set(this.keys.peek().filter((key) => !present.has(key)));
        this.mergeApps(apps, gone);
        this.loaded.value = true;
    }

    private mergeAgents(changed: Agent[], removed: string[]): void {
        if (changed.length === 0 && removed.length === 0) return;
        const byName = new Map(this.agents.peek().map((agent) => [agent.name, agent]));
        for (const agent of changed) byName.set(agent.name, agent);
        for (const name of removed) byName.delete(name);
        this.agents.value = sortAgents([...byName.values()]);
    }

    private mergeApps(changed: App[], removed: Set<AppKey>): void {
        const known = new Set(this.keys.peek());
        let same = true;
        for (const told of changed) {
            const app = { ...told, name: numberedName(told) };
            const key = keyOf(app);
            this.app(key).value = app;
            this.sample(key, app);
            if (!known.has(key)) {
                known.add(key);
                same = false;
            }
            const mark = this.pending.peek().get(key);
            if (mark?.answered && look(app) !== mark.was) this.clearPending(key);
        }
        for (const key of removed) {
            same = known.delete(key) ? false : same;
            this.app(key).value = undefined;
            this.clearPending(key);
        }
        if (!same) this.keys.value = [...known].sort();
    }

    private sample(key: AppKey, app: App): void {
        const samples = this.samplesOf(key);
        push(samples.cpu, app.cpu_percent ?? 0);
        push(samples.rss, app.rss_bytes ?? 0);
    }
}

function push(series: number[], value: number): void {
    series.push(value);
    if (series.length > HISTORY) series.shift();
}

function sortAgents(agents: Agent[]): Agent[] {
    // The machine's own agent first: it is the one people look for.
    return [...agents].sort((a, b) => Number(b.local) - Number(a.local) || a.name.localeCompare(b.name));
}

export const fleet = new Fleet();

/** undefined: not asked yet; null: nobody is logged in. */
export const session = signal<Session | null | undefined>(undefined);
export const setupRequired = signal(false);
export const mayAct = computed(() => session.value?.user.role !== "viewer");
export const selection = signal<ReadonlySet<AppKey>>(new Set());

/** The wall clock, once a second; what shows a duration reads it. */
export const now = signal(Date.now());

export function startClock(): void {
    setInterval(() => {
        now.value = Date.now();
    }, 1000);
}
