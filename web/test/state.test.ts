import { describe, expect, it } from "vitest";
import { effect } from "@preact/signals";
import { Fleet } from "../src/state";
import type { Agent, App, ServerFrame } from "../src/types";
import { makeAgent, makeApp } from "./make";

function snapshot(apps: App[], seq = 5, agents: Agent[] = [makeAgent("default")]): ServerFrame {
    return { type: "snapshot", seq, agents, apps };
}

function delta(seq: number, apps: App[], more: Partial<Extract<ServerFrame, { type: "delta" }>> = {}): ServerFrame {
    return { type: "delta", seq, apps, agents: [], removed: [], removed_agents: [], ...more };
}

describe("Fleet", () => {
    it("takes a snapshot and then deltas", () => {
        const fleet = new Fleet();
        expect(fleet.apply(snapshot([makeApp("web"), makeApp("worker")]))).toBe(true);
        expect(fleet.loaded.value).toBe(true);
        expect(fleet.apply(delta(6, [makeApp("web", { state: "running" })]))).toBe(true);
        expect(fleet.app("default/web").value?.state).toBe("running");
        expect(fleet.list.value.map((app) => app.id)).toEqual(["web", "worker"]);
    });
    it("reports a gap and ignores what it has seen already", () => {
        const fleet = new Fleet();
        fleet.apply(snapshot([makeApp("web")]));
        expect(fleet.apply(delta(5, [makeApp("web", { state: "failed" })]))).toBe(true);
        expect(fleet.app("default/web").value?.state).toBe("stopped");
        expect(fleet.apply(delta(7, []))).toBe(false);
    });
    it("forgets removed apps and all of a removed agent's", () => {
        const fleet = new Fleet();
        const lab = makeApp("sensor", { agent: "lab" });
        fleet.apply(snapshot([makeApp("web"), makeApp("worker"), lab], 1, [makeAgent("default"), makeAgent("lab")]));
        fleet.apply(delta(2, [], { removed: ["default/web"] }));
        fleet.apply(delta(3, [], { removed_agents: ["lab"] }));
        expect(fleet.keys.value).toEqual(["default/worker"]);
        expect(fleet.agents.value.map(({ name }) => name)).toEqual(["default"]);
    });
    it("drops in a new snapshot what is gone since the last", () => {
        const fleet = new Fleet();
        fleet.apply(snapshot([makeApp("web"), makeApp("old")]));
        fleet.apply(snapshot([makeApp("web")], 0));
        expect(fleet.keys.value).toEqual(["default/web"]);
        expect(fleet.app("default/old").value).toBeUndefined();
        expect(fleet.apply(delta(1, [makeApp("web")]))).toBe(true);
    });
    it("leaves the list alone when only metrics change", () => {
        const fleet = new Fleet();
        fleet.apply(snapshot([makeApp("web"), makeApp("worker")]));
        let runs = 0;
        effect(() => {
            void fleet.keys.value;
            runs++;
        });
        fleet.apply(delta(6, [makeApp("web", { cpu_percent: 3 })]));
        expect(runs).toBe(1);
    });
    it("sorts this machine's agent first", () => {
        const fleet = new Fleet();
        fleet.apply(snapshot([], 1, [makeAgent("a", { local: false }), makeAgent("z"), makeAgent("b", { local: false })]));
        expect(fleet.agents.value.map(({ name }) => name)).toEqual(["z", "a", "b"]);
    });
    it("keeps a bounded history of samples", () => {
        const fleet = new Fleet();
        fleet.apply(snapshot([makeApp("web")], 0));
        for (let seq = 1; seq <= 400; seq++) fleet.apply(delta(seq, [makeApp("web", { cpu_percent: seq })]));
        const { cpu } = fleet.samplesOf("default/web");
        expect(cpu.length).toBe(150);
        expect(cpu.at(-1)).toBe(400);
    });
});

describe("pending", () => {
    function ready(): Fleet {
        const fleet = new Fleet();
        fleet.apply(snapshot([makeApp("web")]));
        fleet.markPending("default/web", "start");
        return fleet;
    }
    it("stays until the stream confirms, when the answer came first", () => {
        const fleet = ready();
        fleet.answerPending("default/web");
        expect(fleet.pending.value.has("default/web")).toBe(true);
        fleet.apply(delta(6, [makeApp("web", { state: "starting" })]));
        expect(fleet.pending.value.has("default/web")).toBe(false);
    });
    it("stays until the answer, when the stream came first", () => {
        const fleet = ready();
        fleet.apply(delta(6, [makeApp("web", { state: "starting" })]));
        expect(fleet.pending.value.has("default/web")).toBe(true);
        fleet.answerPending("default/web");
        expect(fleet.pending.value.has("default/web")).toBe(false);
    });
    it("belongs to the later request: the earlier one's answer takes nothing away", () => {
        const fleet = ready();
        const start = fleet.pending.value.get("default/web");
        fleet.apply(delta(6, [makeApp("web", { state: "starting" })]));
        const stop = fleet.markPending("default/web", "stop");
        expect(fleet.answerPending("default/web", start)).toBe(false);
        fleet.clearPending("default/web", start);
        expect(fleet.pending.value.get("default/web")).toBe(stop);
    });
    it("is not confirmed by metrics", () => {
        const fleet = ready();
        fleet.answerPending("default/web");
        fleet.apply(delta(6, [makeApp("web", { cpu_percent: 12 })]));
        expect(fleet.pending.value.has("default/web")).toBe(true);
    });
});
