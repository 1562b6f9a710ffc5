"use strict";

/** An async iterator over what is put in. Ends with end(), or when its reader breaks off. */
class Queue {
    #items = [];
    #readers = [];
    #over = false;
    #left;

    constructor(left) {
        this.#left = left;
    }

    put(item) {
        if (this.#over) return;
        const reader = this.#readers.shift();
        if (reader) reader({ value: item, done: false });
        else this.#items.push(item);
    }

    end() {
        this.#over = true;
        this.#left();
        for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
    }

    next() {
        if (this.#items.length > 0) return Promise.resolve({ value: this.#items.shift(), done: false });
        if (this.#over) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve) => this.#readers.push(resolve));
    }

    return() {
        this.#items = [];
        this.end();
        return Promise.resolve({ value: undefined, done: true });
    }

    [Symbol.asyncIterator]() {
        return this;
    }
}

module.exports = { Queue };
