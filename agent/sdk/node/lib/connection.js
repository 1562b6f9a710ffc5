"use strict";
// One connection to the relay: sends one message after the other, hands over what comes. It lives until
// the other side is gone or close(); a new one is made then. It speaks ZMTP 3.0 itself; CURVE alone needs
// the package `zeromq`.

const { createConnection } = require("node:net");

const FINISH_MS = 500; // that what was sent last may take
const GREETING = Buffer.concat([Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0]), Buffer.from("NULL"), Buffer.alloc(48)]);
const READY = Buffer.concat([
    Buffer.from([4, 28, 5]), Buffer.from("READY"), Buffer.from([11]), Buffer.from("Socket-Type"), Buffer.from([0, 0, 0, 6]), Buffer.from("DEALER"),
]);

function head(size, more) {
    if (size < 256) return Buffer.from([more ? 1 : 0, size]);
    const long = Buffer.alloc(9);
    long[0] = more ? 3 : 2;
    long.writeBigUInt64BE(BigInt(size), 1);
    return long;
}

function address(endpoint) {
    const [kind, where] = endpoint.split("://", 2);
    if (kind === "ipc" && where) return { path: where };
    const colon = where?.lastIndexOf(":") ?? -1;
    if (kind !== "tcp" || colon < 0) throw new Error(`an endpoint is ipc://PATH or tcp://HOST:PORT, not ${endpoint}`);
    return { host: where.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(where.slice(colon + 1)), noDelay: true };
}

class Connection {
    /** `on.ready()` when it may be used, `on.received(frames)` for each message, `on.ended(why)` once, also after
     * close(); `why` may be an Error. None of them may throw. */
    constructor(endpoint, on) {
        this.on = on;
        this.over = false;
        this.greeted = false;
        this.chunks = [];
        this.size = 0; // of the chunks
        this.frames = [];
        this.socket = createConnection(address(endpoint));
        this.socket.on("error", (error) => this.#end(error));
        this.socket.on("close", () => this.#end());
        this.socket.on("data", (data) => this.#read(data));
        this.socket.write(GREETING);
    }

    send(frames) {
        if (this.over) return;
        this.socket.cork();
        frames.forEach((frame, i) => {
            this.socket.write(head(frame.length, i < frames.length - 1));
            this.socket.write(frame);
        });
        process.nextTick(() => this.socket.uncork()); // those of one turn go out together
    }

    /** What has come, when that is `size` bytes at least. */
    #gather(size) {
        if (this.size < size) return null;
        if (this.chunks[0].length < size) this.chunks = [Buffer.concat(this.chunks)];
        return this.chunks[0];
    }

    #drop(size) {
        this.chunks[0] = this.chunks[0].subarray(size);
        if (this.chunks[0].length === 0) this.chunks.shift();
        this.size -= size;
    }

    #read(data) {
        this.chunks.push(data);
        this.size += data.length;
        if (!this.greeted) {
            const greeting = this.#gather(64);
            if (!greeting) return;
            if (greeting[0] !== 0xff || greeting[10] < 3) return this.#end(new Error("what listens there does not speak ZMTP 3"));
            if (greeting.toString("latin1", 12, 16) !== "NULL") return this.#end(new Error("what listens there wants CURVE keys"));
            this.greeted = true;
            this.#drop(64);
            this.socket.write(READY);
        }
        while (!this.over && this.#frame());
    }

    /** Takes in one frame. False: it is not all there. */
    #frame() {
        const begin = this.#gather(2);
        if (!begin) return false;
        const long = (begin[0] & 2) !== 0;
        const whole = long ? this.#gather(9) : begin;
        if (!whole) return false;
        const size = long ? Number(whole.readBigUInt64BE(1)) : whole[1];
        const from = long ? 9 : 2;
        const all = this.#gather(from + size);
        if (!all) return false;
        const body = all.subarray(from, from + size);
        const flags = all[0];
        this.#drop(from + size);
        if ((flags & 4) !== 0) this.#command(body);
        else {
            this.frames.push(body);
            if ((flags & 1) === 0) this.on.received(this.frames.splice(0));
        }
        return true;
    }

    #command(body) {
        const name = body.toString("latin1", 1, 1 + body[0]);
        if (name === "READY") this.on.ready();
        else if (name === "ERROR") this.#end(new Error("the relay refuses the connection"));
        else if (name === "PING") {
            const pong = Buffer.concat([Buffer.from([4]), Buffer.from("PONG"), body.subarray(7)]);
            this.socket.write(Buffer.concat([Buffer.from([4, pong.length]), pong]));
        }
    }

    #end(error) {
        if (this.over) return;
        this.over = true;
        this.socket.destroy();
        this.on.ended(error);
    }

    /** Ends it when what was sent has gone out. */
    finish() {
        this.socket.end();
        setTimeout(() => this.#end(), FINISH_MS).unref();
    }

    close() {
        this.#end();
    }
}

/** A key as libzmq takes it, in Z85 (ZeroMQ's RFC 32); 64 hexadecimal digits are how Berth shows it. */
function z85(key) {
    if (!/^[0-9a-f]{64}$/i.test(key)) return key;
    const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    const bytes = Buffer.from(key, "hex");
    let text = "";
    for (let at = 0; at < bytes.length; at += 4) {
        let value = bytes.readUInt32BE(at), five = "";
        for (let i = 0; i < 5; i++, value = Math.floor(value / 85)) five = digits[value % 85] + five;
        text += five;
    }
    return text;
}

/** The same through the package `zeromq`, which CURVE needs. */
class CurveConnection {
    constructor(endpoint, on, curve, zeromq) {
        this.on = on;
        this.waiting = [];
        this.sending = false;
        this.finishing = false;
        this.over = false;
        // `immediate`: nothing is queued for a peer that is not there.
        this.socket = new zeromq.Dealer({
            immediate: true, linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0,
            reconnectInterval: 50, reconnectMaxInterval: 1000, heartbeatInterval: 10_000, heartbeatTimeout: 30_000,
            curveServerKey: z85(curve.serverKey), curvePublicKey: z85(curve.publicKey), curveSecretKey: z85(curve.secretKey),
        });
        const events = this.socket.events;
        events.on("handshake", () => on.ready());
        events.on("disconnect", () => this.#end());
        events.on("handshake:error:auth", () => this.#end(Object.assign(new Error("refused"), { refused: true })));
        events.on("handshake:error:protocol", () => this.#end(new Error("what listens there has another key, or does not speak CURVE")));
        this.socket.connect(endpoint);
        void this.#read();
    }

    async #read() {
        try {
            for await (const frames of this.socket) {
                if (this.over) break;
                this.on.received(frames);
            }
        } catch {
            // The socket was closed while it was read.
        }
        this.#end();
    }

    send(frames) {
        this.waiting.push(frames);
        if (!this.sending) void this.#write();
    }

    async #write() {
        this.sending = true;
        try {
            while (this.waiting.length > 0 && !this.over) {
                for (const frames of this.waiting.splice(0)) await this.socket.send(frames);
            }
        } catch {
            this.#end();
        }
        this.sending = false;
        if (this.finishing) this.#end();
    }

    finish() {
        if (!this.sending) return this.#end();
        this.socket.linger = FINISH_MS;
        this.finishing = true;
        setTimeout(() => this.#end(), FINISH_MS).unref();
    }

    close() {
        this.#end();
    }

    #end(error) {
        if (this.over) return;
        this.over = true;
        this.waiting = [];
        try {
            this.socket.close();
        } catch {
            // It has ended by itself.
        }
        this.on.ended(error);
    }
}

function loadZeromq() {
    const places = [__dirname, process.cwd(), ...(require.main?.paths ?? [])];
    try {
        return require(require.resolve("zeromq", { paths: places }));
    } catch (error) {
        if (error.code !== "MODULE_NOT_FOUND") throw error;
        throw new Error("CURVE needs the package zeromq: npm install zeromq");
    }
}

function connect(endpoint, curve, on) {
    return curve ? new CurveConnection(endpoint, on, curve, loadZeromq()) : new Connection(endpoint, on);
}

module.exports = { connect };
