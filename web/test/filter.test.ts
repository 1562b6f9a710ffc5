import { describe, expect, it } from "vitest";
import { contrast, readable, rgbOf } from "../src/color";
import { arrange, readFilter } from "../src/filter";
import { score } from "../src/fuzzy";
import { makeApp } from "./make";

const APPS = [
    makeApp("web", { state: "running", active: true, rss_bytes: 5, tags: ["http"], started: "2026-01-01T00:00:00Z" }),
    makeApp("worker", { state: "failed", comment: "eats jobs" }),
    makeApp("sensor", { agent: "lab", state: "running", active: true, rss_bytes: 9, started: "2025-01-01T00:00:00Z" }),
];
const keys = (query: string) => arrange(APPS, readFilter(new URLSearchParams(query)));

describe("arrange", () => {
    it("sorts by name unless told otherwise", () => {
        expect(keys("")).toEqual(["lab/sensor", "default/web", "default/worker"]);
        expect(keys("sort=-name")).toEqual(["default/worker", "default/web", "lab/sensor"]);
        expect(keys("sort=memory")[0]).toBe("lab/sensor");
        expect(keys("sort=uptime")).toEqual(["lab/sensor", "default/web", "default/worker"]);
        expect(keys("sort=nonsense")).toEqual(keys(""));
    });
    it("filters by states, agent, tag and words", () => {
        expect(keys("state=running,failed")).toHaveLength(3);
        expect(keys("state=failed")).toEqual(["default/worker"]);
        expect(keys("agent=lab")).toEqual(["lab/sensor"]);
        expect(keys("tag=http")).toEqual(["default/web"]);
        expect(keys("q=EATS+work")).toEqual(["default/worker"]);
        expect(keys("q=eats+web")).toEqual([]);
        expect(keys("state=nonsense")).toHaveLength(3);
    });
});

describe("score", () => {
    it("prefers whole words, then starts of words, and refuses what is not there", () => {
        expect(score("", "anything")).toBeGreaterThan(0);
        expect(score("stop web", "Stop web default")).toBeGreaterThan(score("stop web", "Stop my website"));
        expect(score("rw", "Restart worker")).toBeGreaterThan(score("rw", "Clear window"));
        expect(score("xyz", "Restart worker")).toBe(0);
    });
});

describe("readable", () => {
    it("makes every one of the 256 colours readable on both papers", () => {
        for (let index = 16; index < 256; index++) {
            expect(contrast(readable(rgbOf(index), false), [252, 252, 251])).toBeGreaterThanOrEqual(4.5);
            expect(contrast(readable(rgbOf(index), true), [16, 20, 24])).toBeGreaterThanOrEqual(4.5);
        }
    });
    it("leaves alone what can be read", () => {
        expect(readable([255, 200, 0], true)).toEqual([255, 200, 0]);
    });
});
