import { writeFileSync, mkdtempSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, equal, eventually } from "../lib/harness.mjs";

const berth = (...words) => execFileSync("berth", words, { encoding: "utf8" });
const waiting = () => JSON.parse(berth("messages", "letterbox", "--json")).messages;

async function shown(t) {
    const { page } = t;
    const list = page.locator(".messages .mail-list li");
    await t.check("messages: those that wait are shown, secrets masked", async () => {
        berth("notify", "letterbox", '{"job": "print", "api_key": "hunter2"}', "--parse");
        berth("notify", "letterbox", "a second one");
        await t.goto("/apps/default/letterbox");
        await list.nth(1).waitFor();
        const text = await page.locator(".messages").innerText();
        assert(text.includes('"job": "print"') && text.includes("a second one") && text.includes("the operator"), text);
        assert(!text.includes("hunter2") && text.includes("********"), text);
        await t.shot("messages-light");
        await t.axe();
    });
    await t.check("messages: one is sent by hand", async () => {
        await page.getByLabel(/^Message to/).fill('{"by": "hand"}');
        await page.getByLabel("JSON").check();
        await page.getByRole("button", { name: "Send message" }).click();
        await list.nth(2).waitFor();
        equal(JSON.stringify(waiting()[2].payload), '{"by":"hand"}', "what was sent");
    });
    await t.check("messages: what is no JSON is not sent", async () => {
        await page.getByLabel(/^Message to/).fill("{");
        await page.getByRole("button", { name: "Send message" }).click();
        await page.locator(".toast-error").getByText("This is no JSON").waitFor();
        await page.locator(".toast-error").getByRole("button", { name: "Dismiss" }).click();
        equal(waiting().length, 3, "messages");
    });
}

async function dead(t) {
    const { page } = t;
    await t.check("messages: dead letters are shown, sent again and removed", async () => {
        const file = join(mkdtempSync(join(tmpdir(), "berth-e2e-")), "failing.toml");
        const command = `/usr/bin/python3 -c "import berth_ipc; berth_ipc.connect().poll(wait=20)"`;
        writeFileSync(file, `[app]\nid = "failing"\ncommand = '${command}'\n[restart]\npolicy = "never"\n[ipc]\nmax_attempts = 1\n`);
        berth("load", file);
        berth("notify", "failing", "in vain");
        berth("notify", "failing", "also in vain");
        berth("start", "failing", "--no-wait"); // it acknowledges nothing
        await t.goto("/apps/default/failing");
        const letters = page.getByRole("region", { name: "Dead letters" });
        await letters.locator("li").nth(1).waitFor();
        await t.shot("dead-letters-light");
        await letters.getByRole("button", { name: /^Send message .* again/ }).first().click();
        await eventually(async () => (await letters.locator("li").count()) === 1, "one is left");
        equal(JSON.parse(berth("messages", "failing", "--json")).messages[0].payload, "in vain", "what waits again");
        await letters.getByRole("button", { name: "Remove dead letters" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Remove dead letters" }).click();
        await eventually(async () => (await letters.count()) === 0, "none is left");
    });
}

async function removed(t) {
    const { page } = t;
    const list = page.locator(".messages .mail-list li");
    await t.check("messages: one is removed, after a question", async () => {
        const remove = page.locator(".messages").getByRole("button", { name: /^Remove message/ }).first();
        await remove.click();
        await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
        equal(waiting().length, 3, "after Cancel");
        await remove.click();
        await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
        await eventually(async () => (await list.count()) === 2, "two are left");
        equal(waiting()[0].payload, "a second one", "the oldest now");
    });
    await t.check("messages: all are removed, after a question", async () => {
        await page.locator(".messages").getByRole("button", { name: "Remove all" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Remove all" }).click();
        await eventually(async () => (await list.count()) === 0, "none is left");
        equal(waiting().length, 0, "messages");
    });
}

async function traffic(t) {
    const { page } = t;
    await t.check("traffic: all mailboxes and the last messages", async () => {
        berth("notify", "letterbox", "seen");
        berth("poll", "letterbox");
        await t.goto("/agents");
        await page.locator(".agent-card", { hasText: "default" }).first().getByRole("link", { name: "Traffic" }).click();
        await page.getByRole("region", { name: "Mailboxes" }).getByRole("link", { name: "letterbox" }).waitFor();
        const trace = page.getByRole("region", { name: "Trace" });
        const row = trace.locator("tbody tr").first();
        await row.getByText("acknowledged").waitFor();
        assert(/\d ms/.test(await row.innerText()), "its latency");
        await page.locator(".mail-head select").selectOption("letterbox");
        await page.waitForURL("**/agents/default/traffic?app=letterbox");
        await t.shot("traffic-light");
        await t.axe();
    });
}

async function looks(t) {
    for (const [name, path] of [["traffic", "/agents/default/traffic"], ["messages", "/apps/default/letterbox"]]) {
        for (const [look, options] of [["dark", { colorScheme: "dark" }], ["phone", { viewport: { width: 360, height: 740 } }]]) {
            const context = await t.signedInContext(options);
            const page = await context.newPage();
            await t.check(`${name}: ${look}`, async () => {
                await t.goto(path, page);
                await page.locator(name === "traffic" ? ".trace tbody tr" : ".mail-list li").first().waitFor();
                const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                assert(wide <= 0, `${wide} px too wide`);
                if (look === "phone" && name === "messages") await page.locator(".messages").scrollIntoViewIfNeeded();
                await t.shot(`${name}-${look}`, page);
                await t.axe(page);
            });
            await context.close();
        }
    }
}

export default async function messages(t) {
    if (process.argv.includes("--mock")) return;
    const file = join(mkdtempSync(join(tmpdir(), "berth-e2e-")), "letterbox.toml");
    writeFileSync(file, '[app]\nid = "letterbox"\ncommand = "sleep 1000"\n');
    berth("load", file);
    await shown(t);
    await removed(t);
    await dead(t);
    await traffic(t);
    await t.check("messages: something waits again", async () => berth("notify", "letterbox", '{"long": "' + "x".repeat(300) + '"}', "--parse"));
    await looks(t);
    await t.check("messages: its app can be forgotten", async () => {
        berth("messages", "letterbox", "--clear", "--yes");
        berth("clean", "letterbox");
        berth("messages", "failing", "--clear", "--yes");
        berth("clean", "failing");
    });
}
