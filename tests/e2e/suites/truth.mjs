// What the panel may not lose, leak or say wrongly. Against real executables alone.
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, equal, eventually } from "../lib/harness.mjs";
import { row } from "./dashboard.mjs";

const berth = (...words) => execFileSync("berth", words, { encoding: "utf8" });
const PASSWORD = "correct horse battery staple";
const SECRET = "hunter2hunter2";

function load(descriptors) {
    const folder = mkdtempSync(join(tmpdir(), "berth-truth-"));
    const files = Object.entries(descriptors).map(([id, text]) => {
        writeFileSync(join(folder, `${id}.toml`), text);
        return join(folder, `${id}.toml`);
    });
    berth("load", ...files);
}

const APPS = {
    longlines: '[app]\nid = "longlines"\nargv = ["python3", "-c", "import time\\nfor i in range(1200): print(i, \'x\' * 1000)\\nprint(\'y\' * 5000000)\\nprint(\'the end\', flush=True)\\ntime.sleep(1e5)"]\n',
    manylines: '[app]\nid = "manylines"\nargv = ["python3", "-c", "import time\\nfor i in range(30000): print(f\'line {i:07}\')\\nprint(\'the end\', flush=True)\\ntime.sleep(1e5)"]\n',
    pool: '[app]\nid = "pool"\nname = "Pool"\ncomment = "number {instance}"\ncommand = "sleep 1000"\ninstances = 3\n',
    lazy: '[app]\nid = "lazy"\ncommand = "sleep 1000"\n[ready]\nexec = "false"\ntimeout = "10m"\n',
    strange: '[app]\nid = "strange"\nname = "\\u202Egnp.exe"\ncomment = "first\\nsecond \\u001b[31mred \\u202Emirrored"\ntags = ["a\\u2066b"]\ncommand = "sleep 1000"\n',
    secretive: `[app]\nid = "secretive"\nargv = ["sleep", "1000"]\nenv = { API_TOKEN = "${SECRET}", PORT = "8080" }\n`,
};

async function log(t) {
    const { page } = t;
    await t.check("truth: long lines do not kill the live link", async () => {
        await t.goto("/apps/default/longlines");
        await page.locator(".log-text", { hasText: "the end" }).waitFor();
        let sockets = 0;
        const count = () => sockets++;
        page.on("websocket", count);
        const before = await page.evaluate(() => performance.now());
        // Longer than the first tries to connect again would take.
        await eventually(() => page.evaluate((from) => performance.now() - from > 2500, before), "a while to pass");
        page.off("websocket", count);
        equal(sockets, 0, "new connections");
        equal(await page.locator(".link-state").innerText(), "Live", "the link");
        await t.shot("truth-long-lines");
    });
    await t.check("truth: a search finds what is in the log, not only what is on the page", async () => {
        await t.goto("/apps/default/manylines");
        await page.locator(".log-text", { hasText: "the end" }).waitFor();
        await page.getByLabel("Search the log").fill("LINE 0000017");
        await page.locator(".log-found", { hasText: "0 matches" }).waitFor();
        await page.locator(".log-whole", { hasText: "here, 1 in the whole log" }).waitFor();
        await page.getByRole("button", { name: "Show them" }).click();
        await page.locator(".log-text", { hasText: "line 0000017" }).waitFor();
        await t.shot("truth-search");
        await t.axe();
        await page.getByLabel("Search the log").fill("");
        await page.locator(".log-text", { hasText: "the end" }).waitFor();
        const searched = page.waitForResponse((response) => response.url().includes("grep="));
        await page.getByLabel("Search the log").fill("[not (an expression");
        equal((await searched).status(), 200, "what is typed is text, no expression");
    });
}

async function palette(t) {
    const { page } = t;
    await t.check("truth: an id and Enter open the app, they do not stop it", async () => {
        await t.goto("/");
        await row(page, "default/pool.3").waitFor();
        for (const typed of ["pool.3", "POOL.3", "longlines"]) {
            await page.keyboard.press("Control+k");
            await page.keyboard.type(typed);
            await page.keyboard.press("Enter");
            await page.waitForURL(`**/apps/default/${typed.toLowerCase()}`);
            equal(await page.getByRole("dialog").count(), 0, "dialogs");
            equal(await t.stateOf(`default/${typed.toLowerCase()}`), "running", "its state");
        }
    });
    await t.check("truth: an action of the palette that ends something asks, and says of which", async () => {
        await page.keyboard.press("Control+k");
        await page.keyboard.type("stop pool.2");
        await page.getByRole("option", { name: /^Stop Pool 2/ }).first().waitFor();
        await page.keyboard.press("Enter");
        await page.getByRole("dialog", { name: "Stop Pool 2 (pool.2)?" }).waitFor();
        await t.shot("truth-palette-asks");
        await page.getByRole("button", { name: "Cancel" }).click();
        equal(await t.stateOf("default/pool.2"), "running", "its state");
    });
}

async function instances(t) {
    const { page } = t;
    await t.check("truth: instances have their number in the list, the page, and the questions", async () => {
        await t.goto("/?q=pool");
        for (const n of [1, 2, 3]) {
            const text = await row(page, `default/pool.${n}`).innerText();
            assert(text.includes(`Pool ${n}`) && text.includes(`pool.${n}`) && text.includes(`number ${n}`), text);
        }
        for (const n of [1, 2]) await row(page, `default/pool.${n}`).getByRole("checkbox", { name: `Select Pool ${n}` }).check();
        await page.getByRole("region", { name: "Selected apps" }).getByRole("button", { name: "Stop" }).click();
        const dialog = page.getByRole("dialog", { name: "Stop 2 apps?" });
        await dialog.getByText("Pool 1 (pool.1), Pool 2 (pool.2)").waitFor();
        await page.getByRole("button", { name: "Cancel" }).click();
        await t.shot("truth-instances");
        await t.goto("/apps/default/pool.3");
        await page.getByRole("heading", { name: "Pool 3" }).waitFor();
        assert((await page.title()).startsWith("pool.3 "), await page.title());
    });
    await t.check("truth: one fewer asks, for it takes the logs along", async () => {
        await t.goto("/apps/default/pool.3");
        await page.getByRole("button", { name: "One fewer" }).click();
        const dialog = page.getByRole("dialog", { name: "Forget pool.3?" });
        await dialog.getByText(/its logs are removed/).waitFor();
        // While it fades in, its colours are not what axe should judge.
        await page.waitForFunction(() => document.querySelector("dialog").getAnimations({ subtree: true }).every((one) => one.playState === "finished"));
        await t.shot("truth-one-fewer");
        await t.axe();
        await dialog.getByRole("button", { name: "Cancel" }).click();
        equal(await t.stateOf("default/pool.3"), "running", "its state");
        await page.getByRole("button", { name: "One fewer" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "One fewer" }).click();
        await eventually(async () => (await t.stateOf("default/pool.3")) === undefined, "it to be gone");
    });
}

async function acting(t) {
    const { page } = t;
    await t.check("truth: who started a slow app can stop it meanwhile", async () => {
        await t.goto("/apps/default/lazy");
        const actions = page.getByRole("group", { name: "Actions" });
        await actions.getByRole("button", { name: "Start", exact: true }).click();
        await page.locator(".reason .state-word", { hasText: "starting" }).waitFor();
        const stop = actions.getByRole("button", { name: "Stop", exact: true });
        await eventually(() => stop.isEnabled(), "Stop to be enabled");
        await t.shot("truth-stop-while-starting");
        await stop.click();
        await page.locator(".reason .state-word", { hasText: "stopped" }).waitFor();
        await eventually(() => actions.getByRole("button", { name: "Start", exact: true }).isEnabled(), "Start to be enabled again");
        equal(await page.locator(".toast-error").count(), 0, "errors");
    });
    await t.check("truth: starting several counts those that run already as done", async () => {
        berth("stop", "pool.1");
        await t.goto("/?q=pool");
        await row(page, "default/pool.1").locator(".state-word", { hasText: "stopped" }).waitFor();
        for (const n of [1, 2]) await row(page, `default/pool.${n}`).getByRole("checkbox").check();
        await page.getByRole("region", { name: "Selected apps" }).getByRole("button", { name: "Start", exact: true }).click();
        const report = page.locator(".bulk-report");
        await report.getByText("2 of 2 done").waitFor();
        await report.getByText("ran already").waitFor();
        equal(await page.locator(".toast-error").count(), 0, "errors");
        await page.getByRole("button", { name: "Clear the selection" }).click();
    });
    await t.check("truth: whole numbers are sent and shown as they are", async () => {
        await t.goto("/apps/default/lazy");
        await page.getByLabel("Message to lazy").fill('{"n": 9007199254740993}');
        await page.getByRole("checkbox", { name: "JSON" }).check();
        await page.getByRole("button", { name: "Send message" }).click();
        await page.locator(".mail-list", { hasText: '"n": 9007199254740993' }).waitFor();
        equal((await t.api("DELETE", "/agents/default/apps/lazy/mailbox")).status, 200, "the status");
    });
    await t.check("truth: input that was not taken is given back", async () => {
        await t.ensure("default/secretive", "running");
        await t.goto("/apps/default/secretive");
        await page.route("**/stdin", (route) => route.fulfill({
            status: 429, contentType: "application/problem+json",
            body: JSON.stringify({ type: "x", title: "Too much", status: 429, detail: "it does not read its input", taken: 7 }),
        }));
        const field = page.getByLabel("Write to the standard input of secretive");
        await field.fill("grüße an alle");
        await page.keyboard.press("Enter");
        await page.locator(".toast", { hasText: "it does not read its input" }).waitFor();
        equal(await field.inputValue(), " an alle", "what is left");
        await page.unroute("**/stdin");
    });
}

async function shown(t) {
    const { page } = t;
    await t.check("truth: texts cannot mirror, break or colour the page", async () => {
        await t.goto("/");
        const line = row(page, "default/strange");
        await line.waitFor();
        const text = await line.innerText();
        assert(text.includes("<202E>gnp.exe") && text.includes("a<2066>b"), text);
        assert(text.includes("first …") && !text.includes("second"), text);
        assert(!/[\u202a-\u202e\u2066-\u2069\u001b]/.test(text), "an override is left");
        assert((await line.locator("bdi").count()) >= 3, "names, tags and comments are isolated");
        await t.shot("truth-strange-list");
        await line.getByRole("link").click();
        const comment = page.locator(".comment-text");
        await comment.waitFor();
        const [first, second] = (await comment.innerText()).split("\n");
        equal(first, "first", "the first line");
        assert(second.includes("second ^[[31mred <202E>mirrored"), second);
        assert(!/[\u202a-\u202e\u2066-\u2069\u001b]/.test(await page.locator("body").innerText()), "an override is left");
        await t.shot("truth-strange");
        await t.axe();
    });
    await t.check("truth: idle apps have figures", async () => {
        await t.goto("/?q=secretive");
        berth("list");
        await row(page, "default/secretive").locator(".col-mem", { hasText: "iB" }).waitFor({ timeout: 20_000 });
    });
    await t.check("truth: an agent that is away: nothing is claimed of its log, or of an app that did not run", async () => {
        const other = await t.context.newPage();
        await other.routeWebSocket("**/api/v1/live", (socket) => {
            const server = socket.connectToServer();
            socket.onMessage(() => {}); // nobody answers what is asked of the agent
            server.onMessage((text) => {
                const frame = JSON.parse(text);
                for (const agent of frame.agents ?? []) if (agent.name === "default") Object.assign(agent, { state: "unreachable", error: "no heartbeat" });
                for (const app of frame.apps ?? []) if (app.agent === "default") app.stale = true;
                socket.send(JSON.stringify(frame));
            });
        });
        await t.goto("/apps/default/lazy", other);
        await other.getByText("Agent default is away: the log cannot be read now.").waitFor();
        await other.getByText("the app did not run then").waitFor();
        equal(await other.getByText("Nothing written yet").count(), 0, "false claims");
        await t.goto("/apps/default/secretive", other);
        await other.getByText("the app keeps running without it").waitFor();
        await t.shot("truth-agent-away", other);
        await other.close();
    });
}

async function viewer(t) {
    const { page } = t;
    await t.check("truth: a viewer's page is whole, without secrets and without what one cannot do", async () => {
        await t.api("POST", "/users", { name: "vic", password: PASSWORD, role: "viewer" });
        const context = await t.newContext({});
        const other = await context.newPage();
        await t.goto("/login?next=%2Fapps%2Fdefault%2Fsecretive", other);
        await other.fill("#username", "vic");
        await other.fill("#password", PASSWORD);
        await other.click("button[type=submit]");
        const heading = other.getByRole("heading", { name: "secretive" });
        await heading.waitFor();
        assert((await heading.boundingBox()).x < 100, "the title is where it belongs");
        await other.locator("summary", { hasText: "Descriptor" }).click();
        await other.locator(".spec", { hasText: "API_TOKEN" }).waitFor();
        const spec = await other.locator(".spec").innerText();
        assert(!spec.includes(SECRET) && spec.includes("••••") && spec.includes("8080"), spec);
        await t.shot("truth-viewer", other);
        await t.axe(other);
        await t.goto("/", other);
        await row(other, "default/secretive").waitFor();
        equal(await other.getByRole("checkbox").count(), 0, "checkboxes");
        await context.close();
    });
    await t.check("truth: an admin sees the values", async () => {
        await t.goto("/apps/default/secretive");
        await page.locator("summary", { hasText: "Descriptor" }).click();
        await page.locator(".spec", { hasText: SECRET }).waitFor();
    });
}

export default async function truth(t) {
    if (process.argv.includes("--mock")) return;
    load(APPS);
    berth("start", "pool", "longlines", "manylines", "secretive");
    await log(t);
    await palette(t);
    await instances(t);
    await acting(t);
    await shown(t);
    await viewer(t);
    await t.check("truth: its apps can be forgotten", async () => {
        berth("stop", "longlines", "manylines", "secretive", "pool");
        for (const id of ["longlines", "manylines", "secretive", "pool.1", "pool.2", "lazy", "strange"]) berth("clean", id);
    });
}
