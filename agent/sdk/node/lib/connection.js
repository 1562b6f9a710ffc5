"use strict";
// One connection to the relay: sends one message after the other, hands over what comes. It lives until
// the other side is gone or close(); a new one is made then.

const { Dealer } = require("zeromq");

const FINISH_MS = 500; // that what was sent last may take

class Connection {
    /** `received(frames)` for each message; `ended()` once, also after close(). Neither may throw. */
    constructor(endpoint, curve, received, ended) {
        this.ended = ended;
        this.waiting = [];
        this.sending = false;
        this.over = false;
        this.finishing = false;
        // `immediate`: nothing is queued for a peer that is not there.
        this.socket = new Dealer({
            immediate: true, linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0,
            reconnectInterval: 50, reconnectMaxInterval: 1000, heartbeatInterval: 10_000, heartbeatTimeout: 30_000,
            ...(curve && { curveServerKey: curve.serverKey, curvePublicKey: curve.publicKey, curveSecretKey: curve.secretKey }),
        });
        this.socket.events.on("disconnect", () => this.close());
        this.socket.connect(endpoint);
        void this.#read(received);
    }

    async #read(received) {
        try {
            for await (const frames of this.socket) {
                if (this.over) break;
                received(frames);
            }
        } catch {
            // The socket was closed while it was read.
        }
        this.close();
    }

    send(frames) {
        this.waiting.push(frames);
        if (!this.sending) void this.#write();
    }

    async #write() {
        this.sending = true;
        try {
            while (this.waiting.length > 0 && !this.over) {
                const batch = this.waiting;
                this.waiting = [];
                for (const frames of batch) {
                    if (!frames.cancelled) await this.socket.send(frames);
                }
            }
        } catch {
            this.close();
        }
        this.sending = false;
        if (this.finishing) this.close();
    }

    /** Ends it when what waits to be sent has gone to the socket. False: nothing waits. */
    finish() {
        if (!this.sending || this.over) return false;
        this.socket.linger = FINISH_MS;
        this.finishing = true;
        setTimeout(() => this.close(), FINISH_MS).unref();
        return true;
    }

    close() {
        if (this.over) return;
        this.over = true;
        this.waiting = [];
        try {
            this.socket.close();
        } catch {
            // It has ended by itself.
        }
        this.ended();
    }
}

module.exports = { Connection };
