"use strict";
// msgpack, as much as messages have. Whole numbers that a Number does not hold exactly are bigint.

const DEEPEST = 64;
const decoder = new TextDecoder("utf-8");

class Ext {
    /** An extension value that JavaScript has no type for. */
    constructor(type, data) {
        this.type = type;
        this.data = data;
    }
}

class Writer {
    constructor() {
        this.buffer = Buffer.allocUnsafe(256);
        this.size = 0;
    }

    reserve(more) {
        if (this.size + more <= this.buffer.length) return;
        const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.size + more));
        this.buffer.copy(larger, 0, 0, this.size);
        this.buffer = larger;
    }

    head(type, bits, value) {
        this.reserve(9);
        this.buffer[this.size] = type;
        if (bits === 8) this.buffer.writeUInt8(value, this.size + 1);
        else if (bits === 16) this.buffer.writeUInt16BE(value, this.size + 1);
        else if (bits === 32) this.buffer.writeUInt32BE(value, this.size + 1);
        this.size += 1 + bits / 8;
    }

    byte(value) {
        this.head(value, 0);
    }

    /** `types`: of 8, 16 and 32 bits; the first may be missing. */
    sized(size, fix, fixLimit, types) {
        if (size < fixLimit) this.byte(fix | size);
        else if (types[0] && size <= 0xff) this.head(types[0], 8, size);
        else if (size <= 0xffff) this.head(types[1], 16, size);
        else this.head(types[2], 32, size);
    }

    bytes(data) {
        this.reserve(data.length);
        this.buffer.set(data, this.size);
        this.size += data.length;
    }

    long(value) {
        this.reserve(9);
        if (value >= 0n) {
            this.buffer[this.size] = 0xcf;
            this.buffer.writeBigUInt64BE(value, this.size + 1);
        } else {
            this.buffer[this.size] = 0xd3;
            this.buffer.writeBigInt64BE(value, this.size + 1);
        }
        this.size += 9;
    }

    double(value) {
        this.reserve(9);
        this.buffer[this.size] = 0xcb;
        this.buffer.writeDoubleBE(value, this.size + 1);
        this.size += 9;
    }

    number(value) {
        if (!Number.isSafeInteger(value) || Object.is(value, -0)) return this.double(value);
        if (value >= 0) {
            if (value < 0x80) this.byte(value);
            else if (value <= 0xff) this.head(0xcc, 8, value);
            else if (value <= 0xffff) this.head(0xcd, 16, value);
            else if (value <= 0xffffffff) this.head(0xce, 32, value);
            else this.long(BigInt(value));
        } else if (value >= -32) this.byte(value + 256);
        else if (value >= -0x80) this.head(0xd0, 8, value + 0x100);
        else if (value >= -0x8000) this.head(0xd1, 16, value + 0x10000);
        else if (value >= -0x80000000) this.head(0xd2, 32, value + 0x100000000);
        else this.long(BigInt(value));
    }

    bigint(value) {
        if (value >= -(2n ** 31n) && value < 2n ** 32n) return this.number(Number(value));
        if (value >= 2n ** 64n || value < -(2n ** 63n)) throw new RangeError("a message's whole number has at most 64 bits");
        this.long(value);
    }

    entries(list, depth) {
        this.sized(list.length, 0x80, 16, [0, 0xde, 0xdf]);
        for (const [key, item] of list) {
            this.value(key, depth + 1);
            this.value(item, depth + 1);
        }
    }

    extension(type, data) {
        const fix = { 1: 0xd4, 2: 0xd5, 4: 0xd6, 8: 0xd7, 16: 0xd8 }[data.length];
        if (fix) this.byte(fix);
        else this.sized(data.length, 0, 0, [0xc7, 0xc8, 0xc9]);
        this.byte(type & 0xff);
        this.bytes(data);
    }

    /** Seconds and nanoseconds, msgpack's own extension. */
    date(date) {
        const ms = date.getTime();
        if (Number.isNaN(ms)) throw new RangeError("an invalid Date cannot be sent");
        const data = Buffer.alloc(12);
        const seconds = Math.floor(ms / 1000);
        data.writeUInt32BE((ms - seconds * 1000) * 1e6, 0);
        data.writeBigInt64BE(BigInt(seconds), 4);
        this.extension(-1, data);
    }

    object(value, depth) {
        if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
            const data = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
            this.sized(data.length, 0, 0, [0xc4, 0xc5, 0xc6]);
            this.bytes(data);
        } else if (Array.isArray(value)) {
            this.sized(value.length, 0x90, 16, [0, 0xdc, 0xdd]);
            for (let i = 0; i < value.length; i++) this.value(value[i], depth + 1);
        } else if (value instanceof Date) this.date(value);
        else if (value instanceof Ext) this.extension(value.type, value.data);
        else if (value instanceof Map) this.entries([...value], depth);
        else if (value instanceof Set) this.value([...value], depth);
        else this.entries(Object.entries(value).filter(([, item]) => item !== undefined), depth);
    }

    value(value, depth) {
        if (depth > DEEPEST) throw new RangeError(`a message is nested deeper than ${DEEPEST}`);
        switch (typeof value) {
            case "undefined": return this.byte(0xc0);
            case "boolean": return this.byte(value ? 0xc3 : 0xc2);
            case "number": return this.number(value);
            case "bigint": return this.bigint(value);
            case "string": {
                const data = Buffer.from(value, "utf8");
                this.sized(data.length, 0xa0, 32, [0xd9, 0xda, 0xdb]);
                return this.bytes(data);
            }
            case "object": return value === null ? this.byte(0xc0) : this.object(value, depth);
            default: throw new TypeError(`a message cannot hold a ${typeof value}`);
        }
    }
}

class Reader {
    constructor(data) {
        this.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
        this.at = 0;
    }

    take(size) {
        const begin = this.at;
        if (size > this.data.length - begin) throw new RangeError("cut short");
        this.at += size;
        return begin;
    }

    whole(bits) {
        const at = this.take(bits / 8);
        if (bits === 8) return this.data.readUInt8(at);
        return bits === 16 ? this.data.readUInt16BE(at) : this.data.readUInt32BE(at);
    }

    long(signed) {
        const at = this.take(8);
        const value = signed ? this.data.readBigInt64BE(at) : this.data.readBigUInt64BE(at);
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : value;
    }

    /** Bytes of their own, no view of what came. */
    bytes(size) {
        const at = this.take(size);
        return new Uint8Array(this.data.subarray(at, at + size));
    }

    text(size) {
        const at = this.take(size);
        return decoder.decode(this.data.subarray(at, at + size));
    }

    below(count, depth) {
        if (depth >= DEEPEST || count > this.data.length - this.at) throw new RangeError("nested too deep, or more elements than bytes");
    }

    list(count, depth) {
        this.below(count, depth);
        return Array.from({ length: count }, () => this.value(depth + 1));
    }

    map(count, depth) {
        this.below(2 * count, depth);
        const found = {};
        for (let i = 0; i < count; i++) {
            const key = this.value(depth + 1);
            if (key !== null && typeof key === "object") throw new TypeError("a map's key is no text or number");
            // Defined, not set: a key may be "__proto__".
            Object.defineProperty(found, String(key), { value: this.value(depth + 1), writable: true, enumerable: true, configurable: true });
        }
        return found;
    }

    extension(size) {
        const type = this.data.readInt8(this.take(1));
        const data = this.bytes(size);
        if (type !== -1 || ![4, 8, 12].includes(size)) return new Ext(type, data);
        const view = Buffer.from(data.buffer, data.byteOffset, size);
        if (size === 4) return new Date(view.readUInt32BE(0) * 1000);
        if (size === 12) return new Date(Number(view.readBigInt64BE(4)) * 1000 + view.readUInt32BE(0) / 1e6);
        const both = view.readBigUInt64BE(0);
        return new Date(Number(both & 0x3ffffffffn) * 1000 + Number(both >> 34n) / 1e6);
    }

    value(depth = 0) {
        const head = this.data[this.take(1)];
        if (head < 0x80) return head;
        if (head >= 0xe0) return head - 256;
        if (head < 0x90) return this.map(head & 15, depth);
        if (head < 0xa0) return this.list(head & 15, depth);
        if (head < 0xc0) return this.text(head & 31);
        switch (head) {
            case 0xc0: return null;
            case 0xc2: return false;
            case 0xc3: return true;
            case 0xc4: case 0xc5: case 0xc6: return this.bytes(this.whole(8 << (head - 0xc4)));
            case 0xc7: case 0xc8: case 0xc9: return this.extension(this.whole(8 << (head - 0xc7)));
            case 0xca: return this.data.readFloatBE(this.take(4));
            case 0xcb: return this.data.readDoubleBE(this.take(8));
            case 0xcc: case 0xcd: case 0xce: return this.whole(8 << (head - 0xcc));
            case 0xcf: return this.long(false);
            case 0xd0: return this.data.readInt8(this.take(1));
            case 0xd1: return this.data.readInt16BE(this.take(2));
            case 0xd2: return this.data.readInt32BE(this.take(4));
            case 0xd3: return this.long(true);
            case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return this.extension(1 << (head - 0xd4));
            case 0xd9: case 0xda: case 0xdb: return this.text(this.whole(8 << (head - 0xd9)));
            case 0xdc: case 0xdd: return this.list(this.whole(16 << (head - 0xdc)), depth);
            case 0xde: case 0xdf: return this.map(this.whole(16 << (head - 0xde)), depth);
            default: throw new RangeError("an unknown type");
        }
    }
}

function encode(value) {
    const writer = new Writer();
    writer.value(value, 0);
    return writer.buffer.subarray(0, writer.size);
}

/** Exactly one value. */
function decode(data) {
    const reader = new Reader(data);
    const value = reader.value();
    if (reader.at !== reader.data.length) throw new RangeError("bytes behind its end");
    return value;
}

module.exports = { Ext, decode, encode };
