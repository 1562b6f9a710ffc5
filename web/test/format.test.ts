import { describe, expect, it } from "vitest";
import { ago, bytes, clockTime, count, duration, fullTime, percent, since, until } from "../src/format";

const NOW = Date.parse("2026-01-01T12:00:00Z");

describe("bytes and percent", () => {
    it("use binary units with one digit where it says something", () => {
        expect(bytes(0)).toBe("0 B");
        expect(bytes(1023)).toBe("1023 B");
        expect(bytes(1536)).toBe("1.5 KiB");
        expect(bytes(250 * 1024 * 1024)).toBe("250 MiB");
        expect(bytes(5 * 2 ** 50)).toBe("5120 TiB");
    });
    it("never print what is not a number", () => {
        for (const value of [null, NaN, Infinity]) {
            expect(bytes(value)).toBe("–");
            expect(percent(value)).toBe("–");
        }
    });
    it("drop the digit above a hundred percent", () => {
        expect(percent(0)).toBe("0.0 %");
        expect(percent(99.94)).toBe("99.9 %");
        expect(percent(250.4)).toBe("250 %");
    });
});

describe("times", () => {
    it("durations have two units at most", () => {
        expect(duration(-5)).toBe("0s");
        expect(duration(59_999)).toBe("59s");
        expect(duration(125_000)).toBe("2m 05s");
        expect(duration(3_600_000)).toBe("1h 00m");
        expect(duration(100 * 3_600_000)).toBe("4d 4h");
        expect(duration(NaN)).toBe("–");
    });
    it("are told from now", () => {
        expect(since("2026-01-01T11:59:50Z", NOW)).toBe("10s");
        expect(ago("2026-01-01T11:58:00Z", NOW)).toBe("2m 00s ago");
        expect(ago("2026-01-01T12:00:00Z", NOW)).toBe("just now");
        expect(ago(null, NOW)).toBe("never");
        expect(until("2026-01-01T12:00:05Z", NOW)).toBe("in 5s");
        expect(until("2026-01-01T11:00:00Z", NOW)).toBe("now");
        expect(until(null, NOW)).toBe("–");
    });
    it("survive a time that is none", () => {
        expect(since("soon", NOW)).toBe("–");
        expect(fullTime("soon")).toBe("–");
        expect(fullTime(null)).toBe("–");
        expect(clockTime("soon")).toBe("soon");
        expect(clockTime("2026-01-01T12:00:00.123456789Z")).toMatch(/^\d\d:\d\d:00\.123$/);
    });
});

describe("count", () => {
    it("knows one from many", () => {
        expect(count(1, "app")).toBe("1 app");
        expect(count(1234, "line")).toBe("1,234 lines");
        expect(count(0, "match", "matches")).toBe("0 matches");
    });
});
