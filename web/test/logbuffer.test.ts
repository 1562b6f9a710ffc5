import { describe, expect, it } from "vitest";
import { LogBuffer } from "../src/logbuffer";
import type { LogLine } from "../src/types";

const line = (text: string, more: Partial<LogLine> = {}): LogLine =>
    ({ time: "2026-01-01T00:00:00Z", stream: "stdout", text, partial: false, ...more });
const texts = (buffer: LogBuffer) => buffer.visible.map((row) => row.text);

describe("LogBuffer", () => {
    it("joins partial lines of the same stream, whatever comes between", () => {
        const buffer = new LogBuffer();
        buffer.append([line("a", { partial: true }), line("err", { stream: "stderr" }), line("b", { partial: true })]);
        buffer.append([line("c"), line("d")]);
        expect(texts(buffer)).toEqual(["abc", "err", "d"]);
    });
    it("leaves out a CR before the newline, also when it came in a piece of its own", () => {
        const buffer = new LogBuffer();
        buffer.append([line("10%\r", { partial: true }), line("20%\r", { partial: true })]);
        buffer.append([line("\r"), line("dos\r", { partial: true }), line("")]);
        expect(texts(buffer)).toEqual(["10%\r20%", "dos"]);
    });
    it("is bounded, in lines and in the length of one", () => {
        const buffer = new LogBuffer(100);
        buffer.append(Array.from({ length: 1000 }, (_, i) => line(`${i}`)));
        expect(buffer.rows.length).toBeLessThanOrEqual(100);
        expect(texts(buffer).at(-1)).toBe("999");
        buffer.append([line("x".repeat(1_000_000))]);
        expect(buffer.rows.at(-1)?.text.length).toBeLessThan(20_000);
    });
    it("starts a new row when the one to continue was dropped", () => {
        const buffer = new LogBuffer(10);
        buffer.append([line("begun", { partial: true, stream: "stderr" })]);
        buffer.append(Array.from({ length: 50 }, (_, i) => line(`${i}`)));
        buffer.append([line("ended", { stream: "stderr" })]);
        expect(texts(buffer).at(-1)).toBe("ended");
    });
    it("filters by stream and keeps what was typed", () => {
        const buffer = new LogBuffer();
        buffer.append([line("out"), line("err", { stream: "stderr" })]);
        buffer.add("stdin", "typed");
        buffer.setFilter({ kind: "stderr", needle: "", onlyMatches: false });
        expect(texts(buffer)).toEqual(["err", "typed"]);
    });
    it("searches what is seen, not the escape sequences", () => {
        const buffer = new LogBuffer();
        buffer.append([line("\x1b[31mRed\x1b[0m alert"), line("31 things")]);
        buffer.setFilter({ kind: "all", needle: "red alert", onlyMatches: true });
        expect(buffer.matches).toEqual([0]);
        buffer.setFilter({ kind: "all", needle: "31", onlyMatches: false });
        expect(buffer.matches).toEqual([1]);
        expect(buffer.visible.length).toBe(2);
    });
    it("searches new lines and the second halves of old ones", () => {
        const buffer = new LogBuffer();
        buffer.setFilter({ kind: "all", needle: "halfway", onlyMatches: true });
        buffer.append([line("half", { partial: true }), line("x", { stream: "stderr" }), line("way there")]);
        expect(texts(buffer)).toEqual(["halfway there"]);
        expect(buffer.matches).toEqual([0]);
    });
    it("drops matches with their lines", () => {
        const buffer = new LogBuffer(10);
        buffer.setFilter({ kind: "all", needle: "hit", onlyMatches: false });
        buffer.append([line("hit"), ...Array.from({ length: 30 }, () => line("miss"))]);
        expect(buffer.matches).toEqual([]);
    });
    it("cuts the carriage return of a DOS line end", () => {
        const buffer = new LogBuffer();
        buffer.append([line("dos\r")]);
        expect(texts(buffer)).toEqual(["dos"]);
    });
});
