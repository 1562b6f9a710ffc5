import { describe, expect, it } from "vitest";
import { firstLine, jsonText, nameAndId, numberedName, parseReadable, readableText } from "../src/readable";

describe("what comes over the network", () => {
    it("has no control characters, escapes or overrides left", () => {
        expect(readableText("a\x1b]0;x\x07b\u202egnp.exe")).toBe("a^[]0;x^Gb<202E>gnp.exe");
        expect(readableText("\u0085\u061c\u2028\u2069\x7f\r")).toBe("<0085><061C><2028><2069>^?^M");
        expect(readableText("two\nlines\tand grüße")).toBe("two\nlines\tand grüße");
    });
    it("is made readable wherever it stands", () => {
        const json = JSON.stringify({ a: ["\u202e", { "k\x1b": "v\x00", n: 1, b: true, z: null }] });
        expect(parseReadable(json)).toEqual({ a: ["<202E>", { "k^[": "v^@", n: 1, b: true, z: null }] });
        expect(parseReadable('{"plain":"text"}')).toEqual({ plain: "text" });
    });
});

describe("names", () => {
    const app = (id: string, name: string, instance_of: string) => ({ id, name, instance_of });
    it("tell instances apart", () => {
        expect(numberedName(app("pool.3", "Pool", "pool"))).toBe("Pool 3");
        expect(numberedName(app("web.2", "Web 2", "web"))).toBe("Web 2");
        expect(numberedName(app("pool.3", "pool.3", "pool"))).toBe("pool.3");
        expect(numberedName(app("p3.12", "Pool 3", "p3"))).toBe("Pool 3 12");
        expect(numberedName(app("db", "Data", ""))).toBe("Data");
    });
    it("come with the id where one alone may be another's", () => {
        expect(nameAndId(app("pool.3", "Pool 3", ""))).toBe("Pool 3 (pool.3)");
        expect(nameAndId(app("db", "db", ""))).toBe("db");
    });
    it("have one line in tables", () => {
        expect(firstLine("one\ntwo\nthree")).toBe("one …");
        expect(firstLine("one")).toBe("one");
    });
});

describe("payloads", () => {
    it("show whole numbers that JavaScript has not", () => {
        expect(jsonText({ n: { int: "9007199254740993" }, m: [{ int: "-18446744073709551615" }] }))
            .toBe('{\n "n": 9007199254740993,\n "m": [\n  -18446744073709551615\n ]\n}');
        expect(jsonText({ int: "9007199254740993" })).toBe("9007199254740993");
        expect(jsonText({ int: "no number" })).toContain('"int"');
    });
});
