"use strict";
// msgpack as the relay and the other clients have it.

const msgpack = require("@msgpack/msgpack");

const encodePayload = (value) => msgpack.encode(value, { useBigInt64: true });
const encodeHeader = (header) => msgpack.encode(header);
const decodeHeader = (data) => msgpack.decode(data);

// A 64-bit number that a Number holds exactly is one.
function smaller(value) {
    if (typeof value === "bigint") {
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : value;
    }
    if (Array.isArray(value)) return value.map(smaller);
    if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
        for (const key of Object.keys(value)) value[key] = smaller(value[key]);
    }
    return value;
}

const HAS_64 = [0xcf, 0xd3];

function decodePayload(data) {
    const plain = new Uint8Array(data.buffer, data.byteOffset, data.byteLength); // what is in it is no Buffer either
    const value = msgpack.decode(plain, { useBigInt64: true });
    return HAS_64.some((head) => data.includes(head)) ? smaller(value) : value;
}

module.exports = { decodeHeader, decodePayload, encodeHeader, encodePayload };
