"use strict";

class Message {
    #client;

    constructor(client, meta, payload) {
        this.#client = client;
        this.id = meta.id;
        this.from = meta.from;
        this.time = new Date(meta.time_ms);
        this.attempt = meta.attempt;
        this.correlation = meta.correlation ?? 0;
        this.payload = payload;
    }

    ack(options) {
        return this.#client.ack([this], options);
    }

    working(options) {
        return this.#client.working([this], options);
    }

    release(options) {
        return this.#client.release([this], options);
    }

    respond(payload, options) {
        return this.#client.respond(this, payload, options);
    }
}

module.exports = { Message };
