"use strict";

const { randomBytes } = require("node:crypto");
const { readFileSync } = require("node:fs");

const { decodeHeader, decodePayload, encodeHeader, encodePayload } = require("./codec");
const { connect } = require("./connection");
const { Disconnected, IpcError, Timeout } = require("./errors");
const { Message } = require("./message");
const { Queue } = require("./queue");

const VERSION = 1;
const HELLO = 2 ** 52; // the request id of every hello; no other gets that far
const HELLO_MS = 5000;
const LONGEST_DELAY_MS = 1000;
const FINAL = new Set([400, 401, 409]); // a hello refused so would be refused again
const GRACE_MS = 2000; // for an answer, when the relay itself waits
const SOON_MS = 5; // after which handled messages are acknowledged, if not before
const TOGETHER = 1000; // ids of one request
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const YEAR_MS = 365 * 24 * 3600 * 1000;
const [NOTHING, EVENTS, EVERYTHING] = ["nothing", "events", "everything"]; // what is pushed to us

const whole = (ms) => Math.trunc(Math.min(Math.max(ms, 0), YEAR_MS));
const idsOf = (messages) => messages.map((one) => one.id ?? one);

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
    #wants = NOTHING; // as the latest hello said it
    #agent; // whose events too, besides our own agent's
    #closed = false;
    #delay = 0;
    #retry = null;
    #helloTimer = null;
    #problem = null; // why there is no connection
    #nextId = 1;
    #slots = new Map(); // request id -> what waits for its answer
    #polls = new Map(); // of these, polls that wait
    #nonce = `${randomBytes(9).toString("hex")}-`;
    #nextDedupe = 1;
    #handlers = null;
    #handling = Promise.resolve();
    #messages = new Set(); // queues of messages()
    #events = new Set();
    #pushed = []; // messages that came and that nobody wants: for poll()
    #held = new Map(); // id of each pushed message that is ours; false: its ack is on its way
    #unhandled = new Set(); // ids of those that onMessage was not called for yet
    #read = 0; // messages that were pushed over this connection, and are read
    #asked = false; // whether messages were ever to be pushed
    #claimMs = 0; // after which the relay offers it to others
    #claimTimer = null;
    #done = []; // ids to be acknowledged at the turn's end
    #doneSince = 0;

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
        const { endpoint } = this.#settings;
        try {
            const connection = connect(endpoint, this.#curve, {
                ready: () => {
                    clearTimeout(this.#helloTimer);
                    this.#helloTimer = setTimeout(() => connection.close(), HELLO_MS);
                    connection.send([encodeHeader([VERSION, HELLO, "hello", this.#hello()])]);
                },
                received: (frames) => this.#received(connection, frames),
                ended: (why) => this.#lost(connection, why),
            });
            this.#connection = connection;
            this.#read = 0;
        } catch (error) {
            this.#failAll(new IpcError(400, `cannot connect to ${endpoint}: ${error.message}`));
        }
    }

    #hello() {
        const { app, secret } = this.#settings;
        this.#wants = this.#wanted();
        this.#asked ||= this.#wants === EVERYTHING;
        return {
            app, secret, subscribe: this.#wants === EVERYTHING,
            ...(this.#wants === EVENTS && { events: true }),
            ...(this.#wants !== NOTHING && this.#agent !== undefined && { agent: this.#agent }),
        };
    }

    #wanted() {
        if (this.#handlers?.onMessage || this.#messages.size > 0) return EVERYTHING;
        return this.#handlers?.onEvent || this.#events.size > 0 ? EVENTS : NOTHING;
    }

    /** Hello was refused, or our key was. */
    #refused(error) {
        this.#problem = error.code === 503 ? new Disconnected(error.message) : error;
        if (FINAL.has(error.code)) {
            this.#failAll(error);
            if (this.#wanted() !== NOTHING) this.#report(error);
            this.#delay = LONGEST_DELAY_MS;
        }
    }

    #lost(connection, why) {
        if (this.#connection !== connection) return;
        if (why?.refused) this.#refused(new IpcError(401, "the agent refuses this CURVE key; its agent.toml allows keys with [ipc] allow"));
        else if (why) this.#problem = new Disconnected(`the agent is not there: ${why.message}`);
        clearTimeout(this.#helloTimer);
        this.#connection = null;
        this.#ready = false;
        this.#pushed = []; // they come again
        for (const [id, slot] of this.#slots) {
            if (slot.sent && !slot.again) {
                this.#settle(id, slot, new Disconnected("the connection ended before the answer came"));
            }
            slot.sent = false;
        }
        if (this.#closed || (this.#slots.size === 0 && this.#wanted() === NOTHING)) return;
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
            this.#refused(new IpcError(code, info.error ?? "refused", info));
            return connection.close();
        }
        this.#claimMs = info.redeliver_ms ?? 0;
        this.#problem = null;
        this.#ready = true;
        this.#delay = 0;
        for (const [id, slot] of this.#slots) this.#transmit(id, slot);
        if (this.#wanted() !== this.#wants) this.#sayHello(); // since it was said
    }

    // --- calling

    #transmit(id, slot) {
        slot.sent = true;
        this.#connection.send(slot.frames);
    }

    #settle(id, slot, error, value) {
        this.#slots.delete(id);
        this.#polls.delete(id);
        clearTimeout(slot.timer);
        for (const one of slot.acked) this.#held.delete(one);
        if (error) slot.reject(error);
        else slot.resolve(value);
    }

    #failAll(error) {
        for (const [id, slot] of this.#slots) this.#settle(id, slot, error);
    }

    /** `graceMs`: so much longer once the relay is there, which then waits itself. */
    #call(verb, args, payloads, { again, timeoutMs = this.#timeoutMs, graceMs = 0, convert = () => undefined, acked = [], poll, kept = false }) {
        return new Promise((resolve, reject) => {
            if (this.#closed) return reject(new Disconnected("this client is closed"));
            const id = this.#nextId++;
            const frames = [encodeHeader([VERSION, id, verb, args]), ...payloads.map(encodePayload)];
            const slot = { frames, again, sent: false, resolve, reject, convert, acked, kept, timer: null };
            this.#endIn(id, slot, timeoutMs, graceMs);
            this.#slots.set(id, slot);
            if (poll) this.#polls.set(id, slot);
            if (this.#ready) this.#transmit(id, slot);
            else this.#connect();
        });
    }

    /** Asks for something that nobody waits for; close() lets it go out. */
    #post(verb, args, acked = []) {
        for (const id of acked) this.#held.set(id, false); // until the answer: it might be pushed again before
        this.#call(verb, args, [], { again: true, acked, kept: true }).catch(() => {}); // what fails comes again
    }

    #endIn(id, slot, ms, graceMs) {
        if (ms > LONGEST_TIMER_MS) {
            slot.timer = setTimeout(() => this.#endIn(id, slot, ms - LONGEST_TIMER_MS, graceMs), LONGEST_TIMER_MS);
            return;
        }
        slot.timer = setTimeout(() => {
            if (this.#ready && graceMs > 0) this.#endIn(id, slot, graceMs, 0);
            else if (this.#ready) this.#settle(id, slot, new Timeout());
            else this.#settle(id, slot, this.#problem ?? new Disconnected("the agent is not there"));
        }, Math.max(ms, 0));
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
        if (id === 0) {
            if (third === "message") this.#read++;
            return this.#take(third, info ?? {}, frames.slice(1));
        }
        if (third === 401) return connection.close(); // it has forgotten this connection
        const slot = this.#slots.get(id);
        if (!slot) {
            if (third === 0 && info?.messages) this.#late(info.messages, frames.slice(1));
            return;
        }
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
        if (ttlMs !== undefined) args.ttl_ms = Math.max(1, whole(ttlMs));
        const again = durable || dedupe !== undefined;
        return this.#call("notify", args, payloads, { again, timeoutMs, convert: ({ ids, known, agent }) => ({ ids, known, ...(agent && { agent }) }) });
    }

    notify(to, payload, options) {
        return this.#notifyCall(to, [payload], options);
    }

    notifyAll(to, payloads, options) {
        return this.#notifyCall(to, payloads, options);
    }

    async poll({ max = 1000, waitMs = 0, ack = [], autoAck = false, timeoutMs } = {}) {
        const args = { max, wait_ms: whole(waitMs) };
        if (ack.length > 0) args.ack = idsOf(ack);
        if (autoAck) args.auto_ack = true;
        const own = timeoutMs === undefined && waitMs > 0;
        const limit = own ? Math.max(waitMs, Math.min(this.#timeoutMs, 1000)) : (timeoutMs ?? this.#timeoutMs) + waitMs;
        const end = Date.now() + limit;
        for (;;) {
            const pushed = this.#takePushed(max);
            if (pushed.length > 0) {
                const done = [...(args.ack ?? []), ...(autoAck ? idsOf(pushed) : [])];
                if (done.length > 0) await this.ack(done, { timeoutMs: limit });
                return pushed;
            }
            const got = await this.#call("poll", args, [], {
                again: !autoAck, timeoutMs: end - Date.now(), graceMs: own ? GRACE_MS : 0, poll: true,
                convert: (info, payloads) => info.messages.map((meta, i) => new Message(this, meta, decodePayload(payloads[i]))),
            });
            if (got !== undefined) return got; // else something was pushed instead
        }
    }

    #takePushed(max) {
        const oldest = this.#claimMs > 0 ? Date.now() - this.#claimMs : 0; // older ones are offered again
        return this.#pushed.splice(0, max).filter(({ when }) => when > oldest).map(({ message }) => message);
    }

    /** A message for the next poll, or for one that waits. */
    #offer(message) {
        this.#pushed.push({ when: Date.now(), message });
        for (const [id, slot] of this.#polls) return this.#settle(id, slot, null, undefined);
    }

    /** What a poll brings that nobody waits for any more. */
    #late(metas, payloads) {
        metas.forEach((meta, i) => {
            try {
                this.#offer(new Message(this, meta, decodePayload(payloads[i])));
            } catch (error) {
                this.#report(new IpcError(400, `a payload is no msgpack: ${error.message}`));
            }
        });
    }

    ack(messages, { timeoutMs } = {}) {
        const ids = idsOf(messages);
        const acked = ids.filter((id) => this.#held.has(id));
        for (const id of acked) this.#held.set(id, false); // until the answer: it might be pushed again before
        return this.#call("ack", { ids }, [], { again: true, timeoutMs, acked });
    }

    working(messages, { timeoutMs } = {}) {
        return this.#call("working", { ids: idsOf(messages) }, [], { again: true, timeoutMs });
    }

    release(messages, { timeoutMs } = {}) {
        const ids = idsOf(messages);
        for (const id of ids) this.#held.delete(id);
        return this.#call("release", { ids }, [], { again: true, timeoutMs });
    }

    clear({ timeoutMs } = {}) {
        return this.#call("clear", {}, [], { again: true, timeoutMs, convert: (info) => info.removed });
    }

    request(to, payload, { timeoutMs = this.#timeoutMs } = {}) {
        const args = { to, timeout_ms: Math.max(1, whole(timeoutMs)) };
        return this.#call("request", args, [payload], {
            again: false, timeoutMs, graceMs: GRACE_MS, convert: (_, payloads) => decodePayload(payloads[0]),
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

    /** Says to the relay what is wanted now, when that is news. */
    #listenAs(agent) {
        if (this.#closed) throw new Disconnected("this client is closed");
        const news = agent !== undefined && agent !== this.#agent;
        if (news) this.#agent = agent;
        if (!news && this.#wanted() === this.#wants) return;
        if (this.#ready) this.#sayHello();
        else if (!this.#connection && this.#wanted() !== NOTHING) this.#connect();
        else if (news) this.#wants = NOTHING; // the hello that is on its way did not say so yet
    }

    #sayHello() {
        this.#call("hello", this.#hello(), [], { again: true }).catch((error) => this.#report(error));
    }

    listen(onMessage, onEvent, { agent } = {}) {
        this.#handlers = { onMessage, onEvent };
        this.#listenAs(agent);
    }

    messages() {
        return this.#follow(this.#messages, undefined, (given, unseen) => this.#giveBack(given, unseen));
    }

    events({ agent } = {}) {
        return this.#follow(this.#events, agent, () => {});
    }

    #follow(queues, agent, left) {
        const queue = new Queue((message) => this.#letGo(message), (given, unseen) => {
            queues.delete(queue);
            if (this.#closed) return;
            left(given, unseen);
            this.#listenAs();
        });
        queues.add(queue);
        try {
            this.#listenAs(agent);
        } catch (error) {
            queues.delete(queue);
            throw error;
        }
        return queue;
    }

    /** Nobody works at this message any more; without an ack it comes again later. */
    #letGo(message) {
        if (this.#held.get(message.id)) this.#held.delete(message.id);
    }

    /** Who was in messages() has left: what it had goes to others, unless somebody here has it too. */
    #giveBack(given, unseen) {
        if (this.#wanted() === EVERYTHING) return;
        const ours = (message) => this.#held.get(message.id) === true;
        const back = [[unseen.filter(ours), true], [given.filter(ours), false]];
        this.#listenAs(); // before they are given back: else they would be pushed to us again
        for (const [messages, isUnseen] of back) {
            if (messages.length === 0) continue;
            const ids = idsOf(messages);
            for (const id of ids) this.#held.delete(id);
            this.#post("release", { ids, unseen: isUnseen });
        }
    }

    #take(kind, info, payloads) {
        let payload = null;
        try {
            if (payloads.length > 0) payload = decodePayload(payloads[0]);
        } catch (error) {
            return this.#report(new IpcError(400, `a payload is no msgpack: ${error.message}`));
        }
        if (kind === "message") {
            if (this.#held.has(info.id)) return; // pushed again after a reconnection, and still ours
            const message = new Message(this, info, payload);
            if (this.#wants !== EVERYTHING) { // it was on its way when the last reader left
                this.#post("release", { ids: [message.id], unseen: true });
                return;
            }
            if (this.#wanted() !== EVERYTHING) return this.#offer(message);
            this.#held.set(message.id, true);
            this.#keepClaims();
            for (const queue of this.#messages) queue.put(message);
            if (this.#handlers?.onMessage) {
                this.#unhandled.add(message.id);
                this.#handle(() => this.#onMessage(message));
            }
        } else if (kind === "event") {
            const event = { type: info.type, from: info.from, seq: info.seq, agent: info.agent, payload };
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
        this.#unhandled.delete(message.id);
        const { onMessage } = this.#handlers ?? {};
        if (!onMessage) {
            this.#held.delete(message.id);
            return this.#offer(message); // since then listen() was called again
        }
        try {
            await onMessage(message);
        } catch (error) {
            this.#letGo(message);
            throw error;
        }
        if (message.correlation) this.#letGo(message);
        else if (this.#held.has(message.id)) this.#handled(message.id); // else the handler has given it back
    }

    /** Acknowledged with the others of this turn, a few milliseconds later at most. */
    #handled(id) {
        const now = performance.now();
        if (this.#done.length === 0) {
            this.#doneSince = now;
            setImmediate(() => this.#acknowledge());
        }
        this.#done.push(id);
        if (this.#done.length >= TOGETHER || now - this.#doneSince >= SOON_MS) this.#acknowledge();
    }

    #acknowledge() {
        if (this.#done.length === 0 || this.#closed) return;
        const ids = this.#done.splice(0);
        this.#post("ack", { ids }, ids);
    }

    /** While handlers run, their messages and those behind them stay ours. */
    #keepClaims() {
        if (this.#claimTimer || this.#closed) return;
        this.#claimTimer = setTimeout(() => {
            this.#claimTimer = null;
            const ids = [...this.#held].filter(([, mine]) => mine).map(([id]) => id);
            if (ids.length === 0) return;
            if (this.#ready) {
                for (let at = 0; at < ids.length; at += TOGETHER) {
                    this.#post("working", { ids: ids.slice(at, at + TOGETHER) });
                }
            }
            this.#keepClaims();
        }, Math.max(this.#claimMs / 3, 20));
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
        this.#acknowledge();
        const queues = [...this.#messages, ...this.#events];
        const unseen = new Set([...this.#unhandled, ...idsOf(this.#pushed.map(({ message }) => message)),
            ...idsOf([...this.#messages].flatMap((queue) => queue.items()))]);
        if (this.#ready && (unseen.size > 0 || this.#asked)) {
            const { app, secret } = this.#settings;
            this.#post("hello", { app, secret, subscribe: false }); // else they would be pushed to us again
            // And what is on its way to us: all that was pushed behind what we have read.
            this.#post("release", { ids: [...unseen], unseen: true, read: this.#read });
        }
        this.#closed = true;
        clearTimeout(this.#retry);
        clearTimeout(this.#helloTimer);
        clearTimeout(this.#claimTimer);
        for (const [id, slot] of this.#slots) {
            if (!slot.kept) continue;
            this.#slots.delete(id);
            clearTimeout(slot.timer);
        }
        const connection = this.#connection;
        const ready = this.#ready;
        this.#failAll(new Disconnected("this client was closed"));
        for (const queue of queues) queue.end();
        if (ready) connection.finish(); // what was said last goes out
        else connection?.close();
    }
}

module.exports = { Client };
