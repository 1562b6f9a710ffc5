"use strict";

/** An async iterator over what is put in. Ends with end(), or when its reader breaks off. */
class Queue {
    #items = [];
    #readers = [];
    #over = false;
    #given = null; // what its reader is at
    #past;
    #left;

    /** `past(item)`: its reader asks for the next one. `left(given, unseen)`: it has ended, with what its reader
     * was at and what it has not seen. */
    constructor(past, left) {
        this.#past = past;
        this.#left = left;
    }

    put(item) {
        if (this.#over) return;
        const reader = this.#readers.shift();
        if (reader) reader(this.#give(item));
        else this.#items.push(item);
    }

    items() {
        return [...this.#items];
    }

    #give(item) {
        this.#given = item;
        return { value: item, done: false };
    }

    end() {
        if (this.#over) return;
        this.#over = true;
        const unseen = this.#items.splice(0);
        this.#left(this.#given === null ? [] : [this.#given], unseen);
        for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
    }

    next() {
        if (this.#given !== null) this.#past(this.#given);
        this.#given = null;
        if (this.#items.length > 0) return Promise.resolve(this.#give(this.#items.shift()));
        if (this.#over) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve) => this.#readers.push(resolve));
    }

    return() {
        this.end();
        return Promise.resolve({ value: undefined, done: true });
    }

    [Symbol.asyncIterator]() {
        return this;
    }
}

module.exports = { Queue };
