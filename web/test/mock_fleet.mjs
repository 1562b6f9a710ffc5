// Pretends to be the agents: ten apps on two of them that start, stop, crash, log and answer.
import { EventEmitter } from "node:events";

const STEP_MS = 250;
const LOG_KEPT = 5000;

const iso = (ms = Date.now()) => new Date(ms).toISOString();

function makeApp(agent, id, more) {
    return {
        id, agent, name: id, comment: "", state: "stopped", active: false, desired: "stopped",
        reason: "stopped: never started since it was loaded", since: iso(), pid: null, exit_code: null, signal: null,
        started: null, finished: null, next_try: null, restarts: 0, cpu_percent: null, rss_bytes: null, processes: null,
        command: "true", path: `/srv/${agent}/apps/${id}`, descriptor: `/srv/${agent}/apps/${id}/berth.toml`,
        backend: "native", backend_id: "", tty: false, tags: [], stale: false, changed_on_disk: false, descriptor_note: "", log_note: "", actor: "", instance_of: "", check: "", said: "", schedule: "", next_run: null, limits: [], mailbox: null, ...more,
    };
}

function makeAgent(name, more) {
    return {
        name, endpoint: `ipc:///run/berth/${name}.sock`, local: true, state: "connected", since: iso(), last_seen: iso(),
        error: null, version: "0.1.0", host: "harbour", home: `/srv/${name}`, pid: 1000 + name.length, apps: 0, ...more,
    };
}

const MODEL = [
    ["default", "web", { name: "Web server", comment: "serves the project's pages", command: "python3 -m http.server 8000", tags: ["http"] }, true],
    ["default", "worker", { comment: "works, and crashes now and then", command: "sh ./worker.sh", tags: ["jobs"] }, true],
    ["default", "feeder", { comment: "puts jobs into the worker's mailbox", command: "python3 feeder.py", tags: ["jobs"] }, true],
    ["default", "echo", { comment: "says what it is told", command: "python3 -u echo.py" }, true],
    ["default", "cal-toml", { comment: "calibration, described in TOML", command: "./calibrate --axis x", descriptor: "/srv/default/apps/cal.toml" }, false],
    ["default", "cal-yaml", { comment: "calibration, described in YAML", command: "./calibrate --axis y", descriptor: "/srv/default/apps/cal.yaml" }, false],
    ["default", "cal-json", { comment: "calibration, described in JSON", command: "./calibrate --axis z", descriptor: "/srv/default/apps/cal.json", changed_on_disk: true }, false],
    ["default", "greeter", { comment: "greets who writes to it", command: "python3 main.py", descriptor: "/srv/default/apps/greeter/pytainer.toml" }, true],
    ["lab", "sensor", { comment: "reads the thermometer", command: "./sensor --every 1s", tags: ["hardware"] }, true],
    ["lab", "ticker", { comment: "one line a second", command: "sh -c 'while :; do date; sleep 1; done'" }, true],
];

export class MockFleet extends EventEmitter {
    agents = [
        makeAgent("default", {}),
        makeAgent("lab", { local: false, endpoint: "tcp://lab.example:7422", host: "lab" }),
    ];
    apps = new Map();
    logs = new Map();
    history = new Map();
    nextPid = 4200;
    ticks = 0;

    constructor() {
        super();
        this.setMaxListeners(0);
        for (const [agent, id, more, running] of MODEL) {
            const key = `${agent}/${id}`;
            this.apps.set(key, makeApp(agent, id, more));
            this.logs.set(key, []);
            this.history.set(key, []);
            this.agent(agent).apps++;
            if (running) this.run(key, "started with its agent");
        }
        this.timer = setInterval(() => this.tick(), STEP_MS);
    }

    stopClock() {
        clearInterval(this.timer);
    }

    agent(name) {
        return this.agents.find((agent) => agent.name === name);
    }

    set(key, state, reason, more = {}) {
        const app = this.apps.get(key);
        const active = ["starting", "running", "stopping"].includes(state);
        Object.assign(app, { state, reason, active, since: iso(), next_try: null }, more);
        if (!active) Object.assign(app, { pid: null, cpu_percent: null, rss_bytes: null, processes: null });
        this.history.get(key).unshift({ time: app.since, state, reason });
        this.emit("apps", [app]);
    }

    log(key, stream, text, partial = false) {
        const line = { time: iso(), stream, text, partial };
        const lines = this.logs.get(key);
        lines.push(line);
        if (lines.length > LOG_KEPT) lines.splice(0, lines.length - LOG_KEPT);
        this.emit("log", key, line);
    }

    run(key, why) {
        const pid = this.nextPid++;
        this.set(key, "running", why, { desired: "running", pid, started: iso(), processes: 1, exit_code: null, signal: null });
        if (key === "default/echo") this.greet(key);
        else this.log(key, "stdout", `${key} is up, pid ${pid}`);
    }

    greet(key) {
        this.log(key, "stdout", "\x1b[1mecho\x1b[0m says what it is told, in \x1b[32mgreen\x1b[0m, \x1b[38;5;208morange\x1b[0m and \x1b[38;2;120;160;255m24-bit blue\x1b[0m");
        this.log(key, "stdout", "\x1b[4munderlined\x1b[0m \x1b[7minverse\x1b[0m \x1b[3mitalic\x1b[0m \x1b[41mon red\x1b[0m \x1b[33mwarning\x1b[0m \x1b[31merror\x1b[0m bell:\x07");
        this.log(key, "stderr", "ready to listen");
    }

    /** null when done, else why not. */
    act(key, verb) {
        const app = this.apps.get(key);
        const trying = app.state === "backoff";
        if (verb === "start") {
            if (app.active) return `${app.id} already runs`;
            this.set(key, "starting", "start requested by admin", { desired: "running", restarts: 0, started: iso() });
            setTimeout(() => this.run(key, "started by admin"), 600);
        } else if (verb === "stop") {
            if (!app.active && !trying) return `${app.id} does not run`;
            this.set(key, "stopping", "stop requested by admin", { desired: "stopped" });
            setTimeout(() => this.set(key, "stopped", "stopped by admin", { finished: iso(), signal: "SIGTERM" }), 600);
        } else if (verb === "restart") {
            if (!app.active && !trying) return `${app.id} does not run`;
            this.set(key, "stopping", "restart requested by admin");
            setTimeout(() => this.run(key, "restarted by admin"), 700);
        } else if (verb === "kill") {
            if (!app.active) return `${app.id} does not run`;
            this.set(key, "stopped", "killed by admin", { desired: "stopped", finished: iso(), signal: "SIGKILL" });
        } else if (verb === "clean") {
            if (app.active) return `${app.id} still runs`;
            this.apps.delete(key);
            this.agent(app.agent).apps--;
            this.emit("removed", key);
        } else return `there is no verb ${verb}`;
        return null;
    }

    write(key, data) {
        if (!this.apps.get(key).active) return "it does not run";
        for (const line of data.split("\n").slice(0, -1)) this.log(key, "stdout", `\x1b[36mecho:\x1b[0m ${line}`);
        return null;
    }

    explain(key) {
        const app = this.apps.get(key);
        const last = this.history.get(key).slice(0, 4).map((h) => `  ${h.time}  ${h.state}: ${h.reason}`).join("\n");
        return `${app.id} is ${app.state}: ${app.reason}.\nIt is wanted ${app.desired}.\nBefore that:\n${last}`;
    }

    crash(key) {
        this.log(key, "stderr", "Traceback: the job queue is on fire");
        this.set(key, "backoff", "exited 3 after 14 s, third time in a row; stderr: the job queue is on fire", {
            exit_code: 3, finished: iso(), next_try: iso(Date.now() + 5000), restarts: this.apps.get(key).restarts + 1,
        });
        setTimeout(() => {
            if (this.apps.get(key)?.state === "backoff") this.run(key, "restarted after a crash, as its policy says");
        }, 5000);
    }

    tick() {
        this.ticks++;
        const running = [...this.apps.values()].filter((app) => app.state === "running");
        const worker = this.apps.get("default/worker");
        if (worker?.state === "running") {
            if (Date.now() - Date.parse(worker.started) > 14_000) this.crash("default/worker");
            else this.work();
        }
        if (this.ticks % 4 === 0) this.everySecond(running.filter((app) => app.state === "running"));
    }

    work() {
        const n = this.ticks;
        if (n % 7 === 0) this.log("default/worker", "stderr", `warning: job ${n} took ${100 + (n % 90)} ms`);
        else this.log("default/worker", "stdout", `job ${n} done`);
        if (n % 11 === 0) {
            this.log("default/worker", "stdout", `progress of job ${n}: `, true);
            this.log("default/worker", "stdout", "100 %");
        }
    }

    everySecond(running) {
        for (const app of running) {
            const weight = app.id.length;
            app.cpu_percent = Math.max(0, weight * (1 + Math.sin(this.ticks / (9 + weight))) + Math.random() * 3);
            app.rss_bytes = Math.round((12 + weight * 3 + 2 * Math.sin(this.ticks / 40)) * (1 << 20));
        }
        this.emit("apps", running);
        if (running.some((app) => app.id === "ticker")) this.log("lab/ticker", "stdout", new Date().toString());
        if (running.some((app) => app.id === "sensor")) this.log("lab/sensor", "stdout", `{"celsius": ${(21 + Math.random()).toFixed(2)}}`);
        if (running.some((app) => app.id === "web") && this.ticks % 12 === 0) this.log("default/web", "stderr", '127.0.0.1 - - "GET / HTTP/1.1" 200 -');
    }
}
