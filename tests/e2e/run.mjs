// Runs every suite in order against one controller: the mock (--mock), or BERTH_URL with BERTH_SETUP_TOKEN.
// --only=TEXT runs the checks whose name holds TEXT.
import { Harness } from "./lib/harness.mjs";
import { startProxy } from "./lib/proxy.mjs";
import access from "./suites/access.mjs";
import agents from "./suites/agents.mjs";
import app from "./suites/app.mjs";
import bulk from "./suites/bulk.mjs";
import connection from "./suites/connection.mjs";
import dashboard from "./suites/dashboard.mjs";
import finish from "./suites/finish.mjs";
import keyboard from "./suites/keyboard.mjs";
import messages from "./suites/messages.mjs";
import look from "./suites/look.mjs";
import log from "./suites/log.mjs";
import supervision from "./suites/supervision.mjs";
import truth from "./suites/truth.mjs";

async function target() {
    if (process.argv.includes("--mock")) {
        const { startMock } = await import("../../web/test/mock.mjs");
        return startMock();
    }
    const url = process.env.BERTH_URL;
    const token = process.env.BERTH_SETUP_TOKEN;
    if (!url || !token) {
        console.error("set BERTH_URL and BERTH_SETUP_TOKEN, or say --mock");
        process.exit(2);
    }
    return { url, token, stop() {} };
}

const controller = await target();
const proxy = await startProxy(controller.url);
const only = process.argv.find((word) => word.startsWith("--only="))?.slice("--only=".length);
const t = new Harness({ base: proxy.url, token: controller.token, proxy, only });
await t.open();
try {
    for (const suite of [access, dashboard, keyboard, bulk, app, log, agents, supervision, truth, messages, connection, look, finish]) await suite(t);
} catch (error) {
    t.failures.push("a suite ended early");
    console.error(error);
}
await t.browser.close();
proxy.stop();
controller.stop();
for (const name of t.failures) console.log(`failed: ${name}`);
console.log(`${t.passed} passed, ${t.failures.length} failed`);
process.exit(t.failures.length === 0 ? 0 : 1);
