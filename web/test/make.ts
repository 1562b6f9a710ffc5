import type { Agent, App } from "../src/types";

export function makeApp(id: string, more: Partial<App> = {}): App {
    return {
        id, agent: "default", name: id, comment: "", state: "stopped", active: false, desired: "stopped", reason: "",
        since: "2026-01-01T00:00:00Z", pid: null, exit_code: null, signal: null, started: null, finished: null,
        next_try: null, restarts: 0, cpu_percent: null, rss_bytes: null, processes: null, command: "true", path: "/srv",
        descriptor: "/srv/berth.toml", backend: "native", backend_id: "", tty: false, tags: [], autostart: false, stale: false,
        changed_on_disk: false, descriptor_note: "", log_note: "", actor: "", instance_of: "", check: "", said: "", schedule: "", next_run: null, limits: [], mailbox: null, ...more,
    };
}

export function makeAgent(name: string, more: Partial<Agent> = {}): Agent {
    return {
        name, endpoint: "ipc:///run/berth.sock", local: true, state: "connected", since: "2026-01-01T00:00:00Z",
        last_seen: null, error: null, version: "0.1.0", host: null, home: null, pid: null, apps: 0, ...more,
    };
}
