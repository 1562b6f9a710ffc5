// A controller for tests: the panel's files, the API and the live stream over a pretended fleet.
// node test/mock.mjs [port]; the setup link is printed.
import { randomBytes } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { MockFleet } from "./mock_fleet.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    + "font-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'";
const PING_MS = 3000;
const LOG_BATCH_MS = 50;

function problem(response, status, title, detail, more = {}, headers = {}) {
    response.writeHead(status, { "Content-Type": "application/problem+json", ...headers });
    response.end(JSON.stringify({ type: `urn:berth:${status}`, title, status, detail, ...more }));
}

function json(response, body, headers = {}) {
    response.writeHead(200, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
}

async function bodyOf(request) {
    let text = "";
    for await (const chunk of request) text += chunk;
    return text ? JSON.parse(text) : {};
}

class Live {
    clients = new Set();
    seq = 0;

    constructor(fleet) {
        this.fleet = fleet;
        fleet.on("apps", (apps) => this.delta({ apps, agents: [], removed: [], removed_agents: [] }));
        fleet.on("removed", (key) => this.delta({ apps: [], agents: fleet.agents, removed: [key], removed_agents: [] }));
        fleet.on("log", (key, line) => {
            for (const client of this.clients) if (client.follows.has(key)) this.queue(client, key, line);
        });
        this.pinger = setInterval(() => this.all({ type: "ping" }), PING_MS);
    }

    all(frame) {
        const text = JSON.stringify(frame);
        for (const client of this.clients) client.socket.send(text);
    }

    delta(changes) {
        this.all({ type: "delta", seq: ++this.seq, ...changes });
    }

    queue(client, key, line) {
        const waiting = client.waiting.get(key);
        if (waiting) return waiting.push(line);
        client.waiting.set(key, [line]);
        setTimeout(() => {
            const lines = client.waiting.get(key);
            client.waiting.delete(key);
            client.socket.send(JSON.stringify({ type: "log", app: key, lines, skipped: 0, reset: false }));
        }, LOG_BATCH_MS);
    }

    join(socket, session) {
        const client = { socket, session, follows: new Set(), waiting: new Map() };
        this.clients.add(client);
        const send = (frame) => socket.send(JSON.stringify(frame));
        send({ type: "hello", version: "0.1.0", seq: this.seq });
        send({ type: "snapshot", seq: this.seq, agents: this.fleet.agents, apps: [...this.fleet.apps.values()] });
        socket.on("message", (data) => {
            const frame = JSON.parse(data);
            if (frame.type === "unfollow") client.follows.delete(frame.app);
            if (frame.type !== "follow") return;
            const lines = this.fleet.logs.get(frame.app);
            if (!lines) return send({ type: "log_error", app: frame.app, error: `there is no app ${frame.app}` });
            client.follows.add(frame.app);
            send({ type: "log", app: frame.app, lines: lines.slice(-frame.tail), skipped: 0, reset: true });
        });
        socket.on("close", () => this.clients.delete(client));
        socket.on("error", () => this.clients.delete(client));
    }

    end(session) {
        for (const client of this.clients) {
            if (client.session !== session) continue;
            client.socket.send(JSON.stringify({ type: "bye", reason: "the session has ended" }));
            client.socket.close();
        }
    }
}

class Mock {
    fleet = new MockFleet();
    live = new Live(this.fleet);
    users = new Map();
    sessions = new Map();
    failures = 0;
    setupToken = randomBytes(12).toString("hex");

    session(request) {
        const id = /berth_session=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
        return this.sessions.get(id);
    }

    open(response, name) {
        const id = randomBytes(16).toString("hex");
        const session = { id, name, csrf: randomBytes(16).toString("hex") };
        this.sessions.set(id, session);
        json(response, this.describe(session), { "Set-Cookie": `berth_session=${id}; HttpOnly; SameSite=Strict; Path=/` });
    }

    describe(session) {
        return { user: { name: session.name, role: "admin" }, csrf: session.csrf, version: "0.1.0" };
    }

    async gate(request, response, path) {
        const body = request.method === "POST" ? await bodyOf(request) : {};
        if (path === "/setup" && request.method === "POST") {
            if (this.users.size > 0) return problem(response, 409, "Already set up", "There is a user already. Log in.");
            if (body.token !== this.setupToken) return problem(response, 403, "Wrong token", "The setup token is not the one that was printed.");
            if ((body.password ?? "").length < 8) return problem(response, 422, "Password too short", "A password has at least 8 characters.");
            this.users.set(body.username, body.password);
            return this.open(response, body.username);
        }
        const session = this.session(request);
        if (request.method === "POST") {
            if (this.failures >= 8) {
                this.failures = 0;
                return problem(response, 429, "Too many attempts", "Wait a moment.", {}, { "Retry-After": "2" });
            }
            if (this.users.get(body.username) === body.password && body.password) return this.open(response, body.username);
            this.failures++;
            return problem(response, 401, "Unauthorized", "User name or password is wrong.");
        }
        if (!session) return problem(response, 401, "Unauthorized", "Log in first.", { setup_required: this.users.size === 0 });
        if (request.method === "GET") return json(response, this.describe(session));
        this.sessions.delete(session.id);
        this.live.end(session);
        response.writeHead(204).end();
    }

    async api(request, response, path, url) {
        if (path === "/session" || path === "/setup") return this.gate(request, response, path);
        const session = this.session(request);
        if (!session) return problem(response, 401, "Unauthorized", "Log in first.", { setup_required: this.users.size === 0 });
        if (request.method !== "GET" && request.headers["x-csrf-token"] !== session.csrf) {
            return problem(response, 403, "Forbidden", "The CSRF token is missing or wrong.");
        }
        if (path === "/session/password") {
            const { present, password } = await bodyOf(request);
            if (this.users.get(session.name) !== present) return problem(response, 403, "This is not allowed", "the present password is wrong");
            if ([...password].length < 8) return problem(response, 400, "The request is wrong", "a password has at least 8 characters");
            if (password === "password1") {
                return problem(response, 400, "The request is wrong", "this password is one of the first that everybody tries; choose another");
            }
            this.users.set(session.name, password);
            for (const other of [...this.sessions.values()]) {
                if (other.name !== session.name || other.id === session.id) continue;
                this.sessions.delete(other.id);
                this.live.end(other);
            }
            return response.writeHead(204).end();
        }
        if (path === "/agents") return json(response, { agents: this.fleet.agents });
        if (path === "/apps") return json(response, { apps: [...this.fleet.apps.values()] });
        if (path === "/apps/actions") {
            const { verb, apps } = await bodyOf(request);
            return json(response, {
                results: apps.map((app) => {
                    const error = this.fleet.apps.has(app) ? this.fleet.act(app, verb) : "there is no such app";
                    return { app, ok: error === null, error };
                }),
            });
        }
        const match = /^\/agents\/([^/]+)\/apps\/([^/]+)(?:\/(.+))?$/.exec(path);
        if (!match) return problem(response, 404, "Not found", `There is nothing at ${path}.`);
        return this.app(request, response, `${decodeURIComponent(match[1])}/${decodeURIComponent(match[2])}`, match[3] ?? "", url);
    }

    async app(request, response, key, what, url) {
        const { fleet } = this;
        const app = fleet.apps.get(key);
        if (!app) return problem(response, 404, "Not found", `There is no app ${key}.`);
        const body = request.method === "POST" ? await bodyOf(request) : {};
        if (what === "") {
            const spec = { id: app.id, command: app.command, restart: "on-failure", tags: app.tags };
            return json(response, { ...app, spec, history: fleet.history.get(key) });
        }
        if (what === "explain") return json(response, { explanation: fleet.explain(key), cause: "", actor: "", next: "", evidence: [fleet.explain(key)], lines: [] });
        if (what === "crashes") return json(response, { groups: [], crashes: [] });
        if (what === "metrics") return json(response, { time: [], cpu_percent: [], rss_bytes: [], processes: [], threads: [], descriptors: [], read_rate: [], write_rate: [] });
        if (what === "logs") return json(response, { lines: fleet.logs.get(key).slice(-Number(url.searchParams.get("tail") ?? 500)), cursor: "0" });
        if (what === "logs/download") {
            response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8", "Content-Disposition": `attachment; filename="${app.id}.log"` });
            return response.end(fleet.logs.get(key).map((line) => `${line.time} ${line.stream} ${line.text}\n`).join(""));
        }
        const error = what === "stdin" ? fleet.write(key, body.data) : fleet.act(key, what);
        if (error) return problem(response, 409, "Wrong state", error);
        if (what === "stdin") return response.writeHead(204).end();
        json(response, { app });
    }

    file(request, response, path) {
        let file = normalize(join(DIST, path));
        if (!file.startsWith(DIST) || !existsSync(file) || !statSync(file).isFile()) file = join(DIST, "index.html");
        response.writeHead(200, {
            "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
            "Content-Security-Policy": CSP,
            "Cache-Control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
        });
        createReadStream(file).pipe(response);
    }

    async handle(request, response) {
        const url = new URL(request.url, "http://mock");
        if (!url.pathname.startsWith("/api/v1/")) return this.file(request, response, url.pathname);
        try {
            await this.api(request, response, url.pathname.slice("/api/v1".length), url);
        } catch (error) {
            problem(response, 400, "Bad request", String(error));
        }
    }
}

export async function startMock(port = 0) {
    const mock = new Mock();
    const server = createServer((request, response) => void mock.handle(request, response));
    const sockets = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, socket, head) => {
        const session = mock.session(request);
        if (!session || request.url !== "/api/v1/live") return socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
        sockets.handleUpgrade(request, socket, head, (client) => mock.live.join(client, session));
    });
    await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        token: mock.setupToken,
        fleet: mock.fleet,
        stop() {
            mock.fleet.stopClock();
            clearInterval(mock.live.pinger);
            for (const client of mock.live.clients) client.socket.terminate();
            server.close();
            server.closeAllConnections();
        },
    };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const { url, token } = await startMock(Number(process.argv[2] ?? 8088));
    console.log(`${url}/setup#token=${token}`);
}
