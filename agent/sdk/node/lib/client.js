"use strict";

const { randomBytes } = require("node:crypto");
const { readFileSync } = require("node:fs");

const { decodeHeader, decodePayload, encodeHeader, encodePayload } = require("./codec");
const { Connection } = require("./connection");
const { Disconnected, IpcError, Timeout } = require("./errors");
const { Message } = require("./message");
const { Queue } = require("./queue");

const VERSION = 1;
const HELLO = 2 ** 52; // the request id of every hello; no other gets that far
const HELLO_MS = 5000;
const LONGEST_DELAY_MS = 1000;
const FINAL = new Set([400, 401, 409]); // a hello refused so would be refused again

/** What a client needs, from its options or from the environment that Berth gives to its apps. */
function settings({ app = process.env.BERTH_APP, secret, endpoint = process.env.BERTH_IPC }) {
    const file = process.env.BERTH_IPC_SECRET_FILE;
    const known = secret ?? (file ? readFileSync(file, "ascii").trim() : "");
    if (!app || !known || !endpoint) {
        throw new Error("not started by Berth: pass app, secret and endpoint (see `berth token app ID`)");
    }
    return { app, secret: known, endpoint };
}

class Client {
    #settings;
    #curve;
    #timeoutMs;
    #onError;
    #connection = null;
    #ready = false; // hello was answered
    #subscribe = false;
    #closed = false;
    #delay = 0;
    #retry = null;
    #helloTimer = null;
    #nextId = 1;
    #slots = new Map(); // request id -> what waits for its answer
    #nonce = `${randomBytes(9).toString("hex")}-`;
    #nextDedupe = 1;
    #handlers = null;
    #handling = Promise.resolve();
    #messages = new Set(); // queues of messages()
    #events = new Set();

    constructor(options = {}) {
        this.#settings = settings(options);
        this.#curve = options.curve;
        this.#timeoutMs = options.timeoutMs ?? 30_000;
        this.#onError = options.onError ?? ((error) => console.error("berth-ipc:", error));
    }

    get app() {
        return this.#settings.app;
    }

    // --- connecting

    #connect() {
        if (this.#connection || this.#retry || this.#closed) return;
        const { endpoint, app, secret } = this.#settings;
        try {
            const connection = new Connection(
                endpoint, this.#curve,
                (frames) => this.#received(connection, frames),
                () => this.#lost(connection),
            );
            this.#connection = connection;
            connection.send([encodeHeader([VERSION, HELLO, "hello", { app, secret, subscribe: this.#subscribe }])]);
            // Counts from when there is somebody to answer; zmq connects by itself until then.
            connection.socket.events.on("handshake", () => {
                clearTimeout(this.#helloTimer);
                this.#helloTimer = setTimeout(() => connection.close(), HELLO_MS);
            });
        } catch (error) {
            this.#failAll(new IpcError(400, `cannot connect to ${endpoint}: ${error.message}`));
        }
    }

    #lost(connection) {
        if (this.#connection !== connection) return;
        clearTimeout(this.#helloTimer);
        this.#connection = null;
        this.#ready = false;
        for (const [id, slot] of this.#slots) {
            if (slot.sent && !slot.again) {
                this.#settle(id, slot, new Disconnected("the connection ended before the answer came"));
            }
            slot.sent = false;
        }
        if (this.#closed || (this.#slots.size === 0 && !this.#subscribe)) return;
        this.#later();
    }

    #later() {
        this.#delay = Math.min(Math.max(this.#delay * 2, 20), LONGEST_DELAY_MS);
        this.#retry = setTimeout(() => {
            this.#retry = null;
            this.#connect();
        }, this.#delay);
    }

    #helloed(connection, code, info) {
        clearTimeout(this.#helloTimer);
        if (code !== 0) {
            const error = new IpcError(code, info.error ?? "refused", info);
            if (FINAL.has(code)) {
                this.#failAll(error);
                if (this.#subscribe) this.#report(error);
                this.#delay = LONGEST_DELAY_MS;
            }
            connection.close();
            return;
        }
        this.#ready = true;
        this.#delay = 0;
        for (const [id, slot] of this.#slots) this.#transmit(id, slot);
    }

    // --- calling

    #transmit(id, slot) {
        slot.sent = true;
        this.#connection.send(slot.frames);
    }

    #settle(id, slot, error, value) {
        this.#slots.delete(id);
        clearTimeout(slot.timer);
        slot.frames.cancelled = true;
        if (error) slot.reject(error);
        else slot.resolve(value);
    }

    #failAll(error) {
        for (const [id, slot] of this.#slots) this.#settle(id, slot, error);
    }

    #call(verb, args, payloads, { again, timeoutMs = this.#timeoutMs, convert = () => undefined }) {
        return new Promise((resolve, reject) => {
            if (this.#closed) return reject(new Disconnected("this client is closed"));
            const id = this.#nextId++;
            const frames = [encodeHeader([VERSION, id, verb, args]), ...payloads.map(encodePayload)];
            const slot = { frames, again, sent: false, resolve, reject, convert, timer: null };
            slot.timer = setTimeout(() => {
                this.#settle(id, slot, this.#ready ? new Timeout() : new Disconnected("the agent is not there"));
            }, timeoutMs);
            this.#slots.set(id, slot);
            if (this.#ready) this.#transmit(id, slot);
            else this.#connect();
        });
    }

    /** Takes one message of the relay. Nothing that comes can make it throw. */
    #received(connection, frames) {
        if (this.#connection !== connection) return;
        let header;
        try {
            header = decodeHeader(frames[0]);
        } catch {
            return;
        }
        if (!Array.isArray(header)) return;
        const [, id, third, info] = header;
        if (id === HELLO) return this.#helloed(connection, third, info ?? {});
        if (id === 0) return this.#pushed(third, info ?? {}, frames.slice(1));
        if (third === 401) return connection.close(); // it has forgotten this connection
        const slot = this.#slots.get(id);
        if (!slot) return;
        try {
            if (third !== 0) {
                const text = info?.error ?? "refused";
                this.#settle(id, slot, third === 504 ? new Timeout(text) : new IpcError(third, text, info));
            } else {
                this.#settle(id, slot, null, slot.convert(info ?? {}, frames.slice(1)));
            }
        } catch (error) {
            this.#settle(id, slot, new IpcError(500, `the answer is not understood: ${error.message}`));
        }
    }

    #notifyCall(to, payloads, { ttlMs, durable = true, dedupe, timeoutMs } = {}) {
        const args = { to };
        if (!durable) args.durable = false;
        // Sent again after a reconnection, the relay knows it: it is stored once.
        else if (dedupe === undefined) args.dedupe = `${this.#nonce}${this.#nextDedupe++}`;
        if (dedupe !== undefined) args.dedupe = dedupe;
        if (ttlMs !== undefined) args.ttl_ms = Math.max(1, Math.trunc(ttlMs));
        const again = durable || dedupe !== undefined;
        return this.#call("notify", args, payloads, { again, timeoutMs, convert: ({ ids, known }) => ({ ids, known }) });
    }

    notify(to, payload, options) {
        return this.#notifyCall(to, [payload], options);
    }

    notifyAll(to, payloads, options) {
        return this.#notifyCall(to, payloads, options);
    }

    poll({ max = 1000, waitMs = 0, ack = [], autoAck = false, timeoutMs = this.#timeoutMs } = {}) {
        const args = { max, wait_ms: Math.trunc(waitMs) };
        if (ack.length > 0) args.ack = ack.map((one) => one.id ?? one);
        if (autoAck) args.auto_ack = true;
        return this.#call("poll", args, [], {
            again: !autoAck, timeoutMs: timeoutMs + waitMs,
            convert: (info, payloads) => info.messages.map((meta, i) => new Message(this, meta, decodePayload(payloads[i]))),
        });
    }

    ack(messages, { timeoutMs } = {}) {
        return this.#call("ack", { ids: messages.map((one) => one.id ?? one) }, [], { again: true, timeoutMs });
    }

    clear({ timeoutMs } = {}) {
        return this.#call("clear", {}, [], { again: true, timeoutMs, convert: (info) => info.removed });
    }

    request(to, payload, { timeoutMs = this.#timeoutMs } = {}) {
        const args = { to, timeout_ms: Math.max(1, Math.trunc(timeoutMs)) };
        return this.#call("request", args, [payload], {
            again: false, timeoutMs: timeoutMs + 1000, convert: (_, payloads) => decodePayload(payloads[0]),
        });
    }

    respond(message, payload, { timeoutMs } = {}) {
        const args = { to: message.from, correlation: message.correlation ?? 0 };
        return this.#call("respond", args, [payload], { again: false, timeoutMs });
    }

    raise(type, payload = null, { timeoutMs } = {}) {
        return this.#call("raise", { type }, [payload], { again: false, timeoutMs, convert: (info) => info.seq });
    }

    #control(verb, app, { timeoutMs } = {}) {
        return this.#call(verb, { app }, [], { again: false, timeoutMs, convert: (info) => info.state });
    }

    start(app, options) {
        return this.#control("start", app, options);
    }

    stop(app, options) {
        return this.#control("stop", app, options);
    }

    restart(app, options) {
        return this.#control("restart", app, options);
    }

    #question(verb, args, convert, { timeoutMs } = {}) {
        return this.#call(verb, args, [], { again: true, timeoutMs, convert });
    }

    isRunning(app, options) {
        return this.#question("is_running", { app }, (info) => info.running, options);
    }

    isAvailable(app, options) {
        return this.#question("is_available", { app }, (info) => info.found, options);
    }

    status(app, options) {
        return this.#question("status", { app }, (info) => info.app ?? null, options);
    }

    list(options) {
        return this.#question("list", {}, (info) => info.apps, options);
    }

    config(options) {
        return this.#question("config", {}, (info) => info.variables, options);
    }

    ping(options) {
        return this.#question("ping", {}, () => undefined, options);
    }

    version(options) {
        return this.#question("version", {}, (info) => info.version, options);
    }

    // --- being told

    #startListening() {
        if (this.#closed) throw new Disconnected("this client is closed");
        if (this.#subscribe) return;
        this.#subscribe = true;
        if (!this.#ready) {
            // A hello that is on its way did not say so yet.
            if (this.#connection) this.#connection.close();
            else this.#connect();
            return;
        }
        const { app, secret } = this.#settings;
        this.#call("hello", { app, secret, subscribe: true }, [], { again: true }).catch((error) => this.#report(error));
    }

    listen(onMessage, onEvent) {
        this.#handlers = { onMessage, onEvent };
        this.#startListening();
    }

    messages() {
        return this.#follow(this.#messages);
    }

    events() {
        return this.#follow(this.#events);
    }

    #follow(queues) {
        this.#startListening();
        const queue = new Queue(() => queues.delete(queue));
        queues.add(queue);
        return queue;
    }

    #pushed(kind, info, payloads) {
        let payload = null;
        try {
            if (payloads.length > 0) payload = decodePayload(payloads[0]);
        } catch (error) {
            return this.#report(new IpcError(400, `a payload is no msgpack: ${error.message}`));
        }
        if (kind === "message") {
            const message = new Message(this, info, payload);
            for (const queue of this.#messages) queue.put(message);
            if (this.#handlers?.onMessage) this.#handle(() => this.#onMessage(message));
        } else if (kind === "event") {
            const event = { type: info.type, from: info.from, seq: info.seq, payload };
            for (const queue of this.#events) queue.put(event);
            const { onEvent } = this.#handlers ?? {};
            if (onEvent) this.#handle(() => onEvent(event));
        }
    }

    /** One after the other, in the order they came. */
    #handle(work) {
        this.#handling = this.#handling.then(() => (this.#closed ? undefined : work())).catch((error) => this.#report(error));
    }

    async #onMessage(message) {
        await this.#handlers.onMessage(message);
        // Not awaited: the next one need not wait for the disk. What fails comes again.
        if (!message.correlation) this.ack([message]).catch(() => {});
    }

    #report(error) {
        try {
            this.#onError(error);
        } catch {
            // Nobody is left to tell.
        }
    }

    close() {
        if (this.#closed) return;
        this.#closed = true;
        clearTimeout(this.#retry);
        clearTimeout(this.#helloTimer);
        this.#failAll(new Disconnected("this client was closed"));
        for (const queue of [...this.#messages, ...this.#events]) queue.end();
        this.#connection?.close();
    }
}

module.exports = { Client };
