"use strict";
// What the other clients prove too, for tests/integration/test_relay_node.py: node scenarios.js NAME ENDPOINT SECRETS.
// A line on stdout asks the test to do something ("kill", "down"); its line on stdin says that it is done.

const assert = require("node:assert/strict");
const { createInterface } = require("node:readline");
const { connect, Disconnected, IpcError, Timeout } = require("..");

process.on("unhandledRejection", (error) => {
    console.error("unhandled rejection", error);
    process.exit(9);
});

const [, , name, endpoint, secretsText] = process.argv;
const secrets = JSON.parse(secretsText);
const opened = [];

function client(app, options = {}) {
    const made = connect({ app, secret: secrets[app], endpoint, ...options });
    opened.push(made);
    return made;
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function please(what) {
    console.log(what);
    assert.equal((await lines.next()).value, "done");
}

async function until(condition, what, ms = 20_000) {
    const end = Date.now() + ms;
    while (!condition()) {
        assert.ok(Date.now() < end, `not in time: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

/** So many messages; they may come one after the other. */
async function taken(client, count) {
    const got = [];
    while (got.length < count) {
        const more = await client.poll({ waitMs: 10_000 });
        assert.notEqual(more.length, 0, `${got.length} of ${count} came`);
        got.push(...more);
    }
    return got;
}

async function refused(promise, code, type = IpcError) {
    const error = await promise.then(() => assert.fail("not refused"), (caught) => caught);
    assert.ok(error instanceof type, String(error));
    if (code) assert.equal(error.code, code);
    return error;
}

const scenarios = {
    async talk() {
        const a = client("a");
        const b = client("b");
        const values = ["text", 1, -5, 2n ** 63n, 1.5, null, true, new Uint8Array([0, 255]), [1, [2]], { k: { n: [null] } }, "é".repeat(300), -(2n ** 63n), 2 ** 40];
        const sent = await a.notifyAll("b", values);
        assert.ok(sent.known && sent.ids.length === values.length);
        assert.equal((await a.notify("nobody", 1)).known, false);
        const got = await b.poll();
        assert.deepEqual(got.map((m) => m.payload), values);
        assert.ok(got.every((m) => m.from === "a" && m.attempt === 1 && m.time instanceof Date));
        await b.ack(got.slice(1));
        await got[0].ack();
        assert.deepEqual(await b.poll(), []);
        assert.equal(await b.clear(), 0);
        await a.notify("b", "k", { dedupe: "key" });
        await a.notify("b", "k", { dedupe: "key" });
        assert.deepEqual((await b.poll({ autoAck: true })).map((m) => m.payload), ["k"]);
        const many = await Promise.all(Array.from({ length: 3000 }, (_, i) => a.notify("b", i, { durable: false })));
        assert.equal(new Set(many.map((one) => one.ids[0])).size, 3000);
        assert.equal(await b.clear(), 3000);
        await refused(a.request("nobody", 1), 404);
        assert.ok(["starting", "running"].includes(await a.start("b")));
        assert.ok(await a.isRunning("b"));
        assert.ok(!(await a.isAvailable("zz")));
        await refused(a.start("b"), 409);
        assert.ok(["stopping", "stopped"].includes(await a.stop("b")));
        assert.deepEqual((await a.list()).map((app) => app.id).sort(), ["a", "b"]);
        assert.equal(await a.status("zz"), null);
        assert.equal((await a.status("b")).id, "b");
        assert.deepEqual(await a.config(), {});
        assert.equal(await a.version(), await b.version());
    },

    async listen() {
        const a = client("a");
        const seen = [];
        const events = [];
        const problems = [];
        const b = client("b", { onError: (error) => problems.push(error.message) });
        b.listen(async (message) => {
            if (message.correlation) await message.respond([message.payload, (await b.ping()) ?? null]); // a handler may call
            else if (message.payload === "bad") throw new Error("the handler's own fault");
            else seen.push(message.payload);
        }, (event) => events.push(event));
        assert.deepEqual(await a.request("b", 20, { timeoutMs: 10_000 }), [20, null]);
        await a.notify("b", "bad");
        for (let i = 0; i < 100; i++) await a.notify("b", i, { durable: i % 2 === 0 });
        await until(() => seen.length === 100, "all are pushed");
        assert.deepEqual(seen, [...Array(100).keys()]); // in order
        assert.deepEqual(problems, ["the handler's own fault"]);
        assert.equal(await a.raise("made", { x: 1 }), 1);
        await until(() => events.length > 0, "the event");
        assert.deepEqual(events[0], { type: "made", from: "a", seq: 1, agent: "default", payload: { x: 1 } });
    },

    async killed() {
        const a = client("a");
        const b = client("b");
        const seen = [];
        const attempts = [];
        b.listen((message) => {
            seen.push(message.payload);
            attempts.push(message.attempt);
        });
        await a.notify("b", "before");
        await until(() => seen.includes("before"), "pushed");
        for (let i = 0; i < 3; i++) {
            await please("kill");
            assert.ok((await a.notify("b", i)).known);
            await until(() => seen.includes(i), "pushed after the kill");
        }
        // In order; one whose acknowledgement died with the agent comes again, and says so.
        assert.deepEqual([...new Set(seen)], ["before", 0, 1, 2]);
        seen.forEach((payload, i) => assert.ok(!seen.slice(0, i).includes(payload) || attempts[i] > 1));
    },

    async "waiting-poll"() {
        const a = client("a");
        const b = client("b");
        const waiting = b.poll({ waitMs: 60_000 });
        await b.ping();
        const asked = refused(a.request("b", 1, { timeoutMs: 60_000 }), 503, Disconnected); // it might be done twice
        await waiting.then((taken) => taken[0].ack());
        const again = b.poll({ waitMs: 60_000 });
        await b.ping();
        await please("kill");
        await asked;
        await a.notify("b", "x");
        assert.deepEqual((await again).map((m) => m.payload), ["x"]);
    },

    async shared() {
        const a = client("a");
        await Promise.all([...Array(8).keys()].map(async (who) => {
            for (let i = 0; i < 50; i++) assert.ok((await a.notify("b", [who, i], { durable: i % 2 === 0 })).known);
        }));
        const got = (await client("b").poll()).map((m) => m.payload);
        for (let who = 0; who < 8; who++) {
            assert.deepEqual(got.filter(([from]) => from === who).map(([, i]) => i), [...Array(50).keys()]);
        }
    },

    async away() {
        const a = client("a", { timeoutMs: 400 });
        await a.ping();
        await please("down");
        for (const call of [() => a.ping(), () => a.notify("b", 1), () => a.poll({ waitMs: 100 }), () => a.request("b", 1)]) {
            const began = Date.now();
            const error = await refused(call());
            assert.ok([503, 504].includes(error.code) && Date.now() - began < 5000, String(error));
        }
        a.close();
        await refused(a.ping(), 503, Disconnected);
        const idle = client("a"); // closed while a call waits
        const call = refused(idle.ping(), 503, Disconnected);
        idle.close();
        await call;
    },

    async secret() {
        const wrong = client("a", { secret: "wrong" });
        const began = Date.now();
        await refused(wrong.ping(), 401);
        await refused(wrong.notify("b", 1), 401);
        assert.ok(Date.now() - began < 5000);
        const problems = [];
        const listener = client("a", { secret: "wrong", onError: (error) => problems.push(error.code) });
        listener.listen(() => {});
        await until(() => problems.length > 0, "it is told");
        assert.equal(problems[0], 401);
        assert.throws(() => connect({ app: "a" }), /not started by Berth/);
    },

    async iterators() {
        const a = client("a");
        const b = client("b");
        const stream = b.messages();
        const told = b.events();
        await b.ping();
        assert.ok((await a.notifyAll("b", ["one", 2])).known);
        for (const expected of ["one", 2]) {
            const { value: message } = await stream.next();
            assert.equal(message.payload, expected);
            await message.ack();
        }
        const answering = stream.next().then(({ value }) => value.respond(value.payload + 1));
        assert.equal(await a.request("b", 41, { timeoutMs: 10_000 }), 42);
        await answering;
        await a.raise("made", [1]);
        assert.deepEqual((await told.next()).value.payload, [1]);
        await please("kill");
        assert.ok((await a.notify("b", "after")).known);
        const { value: after } = await stream.next();
        assert.equal(after.payload, "after");
        await after.ack();
        await refused(a.request("b", 1, { timeoutMs: 100 }), 504, Timeout);
        const last = told.next();
        b.close();
        assert.equal((await last).done, true);
    },

    async "events-and-poll"() {
        const a = client("a");
        const b = client("b");
        const events = [];
        b.listen(null, (event) => events.push(event.type));
        await b.ping();
        for (let i = 0; i < 3; i++) {
            await a.notify("b", i);
            await a.raise("made");
        }
        await until(() => events.length === 3, "all events");
        const got = await b.poll();
        assert.deepEqual(got.map((m) => [m.payload, m.attempt]), [[0, 1], [1, 1], [2, 1]]);
        await b.ack(got);
        // Both at once in one client: a poll that waits gets what is pushed to nobody.
        const stream = b.messages();
        await b.ping();
        await a.notify("b", "pushed");
        const { value } = await stream.next();
        assert.equal(value.payload, "pushed");
        await value.ack();
        await stream.return();
        const waiting = b.poll({ waitMs: 10_000 });
        await a.notify("b", "polled");
        assert.deepEqual((await waiting).map((m) => m.payload), ["polled"]);
    },

    async break() {
        const a = client("a");
        const b = client("b");
        await a.notifyAll("b", [...Array(10).keys()]);
        for await (const message of b.messages()) {
            assert.equal(message.payload, 0);
            await message.ack();
            break; // nine were pushed too
        }
        const other = client("b");
        const got = await taken(other, 9);
        assert.deepEqual(got.map((m) => m.payload).sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert.ok(got.every((m) => m.attempt === 1), "they were not looked at");
        await other.ack(got);
        // What was at hand and not acknowledged goes back too; and who breaks off can begin again.
        await a.notify("b", "again");
        for await (const message of b.messages()) {
            assert.equal(message.payload, "again");
            break;
        }
        for await (const message of b.messages()) {
            assert.deepEqual([message.payload, message.attempt], ["again", 2]);
            await message.ack();
            break;
        }
        await a.notify("b", "after"); // it is not told any more: for poll
        assert.deepEqual((await b.poll({ waitMs: 5000, autoAck: true })).map((m) => m.payload), ["after"]);
        // close() gives back as well, what was read and what is on its way.
        const last = client("b");
        last.messages();
        await last.ping();
        await a.notifyAll("b", [1, 2, 3]);
        last.close();
        const left = await other.poll({ waitMs: 5000, autoAck: true });
        assert.deepEqual(left.map((m) => [m.payload, m.attempt]), [[1, 1], [2, 1], [3, 1]]);
        // And what a handler was not called for.
        const listener = client("b");
        const begun = new Promise((resolve) => {
            listener.listen(() => {
                resolve();
                return new Promise(() => {});
            });
        });
        await listener.ping();
        await a.notifyAll("b", [1, 2, 3]);
        await begun;
        listener.close();
        const rest = await taken(other, 3);
        await other.ack(rest);
        assert.deepEqual(rest.map((m) => [m.payload, m.attempt]).sort(), [[1, 2], [2, 1], [3, 1]]);
    },

    async codec() {
        const { Ext, decode, encode } = require("../lib/msgpack");
        const date = new Date("2024-05-06T07:08:09.123Z");
        for (const value of [0, 127, 128, 2 ** 32, 2 ** 53 - 1, -1, -33, -(2 ** 31) - 1, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 64n - 1n,
            0.1, "x".repeat(70000), new Uint8Array(70000), [[], {}, ""], { "__proto__": 1 }, date, new Ext(5, new Uint8Array([1, 2, 3])), Infinity]) {
            assert.deepEqual(decode(encode(value)), value);
        }
        assert.deepEqual(decode(encode(new Map([[1, new Set([2])]]))), { 1: [2] });
        for (const bad of ["", "c1", "91", "ddffffffff", "a5616263", "c0c0", "8180c0", "91".repeat(5000)]) {
            assert.throws(() => decode(Buffer.from(bad, "hex")), bad.slice(0, 20));
        }
        const around = [];
        around.push(around);
        for (const bad of [2n ** 64n, -(2n ** 63n) - 1n, () => 1, Symbol("x"), around]) assert.throws(() => encode(bad));
    },

    async idle() {
        const b = client("b");
        b.listen(() => {});
        await b.ping();
        const before = process.cpuUsage();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const { user, system } = process.cpuUsage(before);
        assert.ok(user + system < 100_000, `${user + system} us of CPU in an idle second`);
    },
};

scenarios[name]().then(() => {
    for (const one of opened) one.close();
    console.log("passed");
    lines.return();
    process.stdin.destroy();
}, (error) => {
    console.error(error);
    process.exit(1);
});
