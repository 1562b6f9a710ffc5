import { readFileSync } from "node:fs";
import { assert, equal, eventually } from "../lib/harness.mjs";

const following = (page) => page.locator(".follow").getAttribute("aria-pressed");

async function echoed(t) {
    const { page } = t;
    await t.check("stdin: a line is answered in the log", async () => {
        await t.ensure("default/echo", "running");
        await t.goto("/apps/default/echo");
        await eventually(() => page.locator("#stdin").isEnabled(), "stdin to be enabled");
        await page.fill("#stdin", "hello berth");
        await page.keyboard.press("Enter");
        await page.locator(".log-stdout", { hasText: "hello berth" }).waitFor();
        await page.locator(".log-stdin", { hasText: "hello berth" }).waitFor();
        equal(await page.locator("#stdin").inputValue(), "", "the field after sending");
    });
    await t.check("stdin: ArrowUp brings the last line back", async () => {
        await page.locator("#stdin").press("ArrowUp");
        equal(await page.locator("#stdin").inputValue(), "hello berth", "the field");
        await page.fill("#stdin", "");
    });
    await t.check("log: ANSI colours are colours, not codes", async () => {
        await eventually(async () => (await page.locator('.log-stdout [class*="a-fg"], .log-stdout [style*="--a-fg"]').count()) > 0, "a coloured span");
        assert(!(await page.locator(".log").innerText()).includes("[0m"), "an escape sequence is shown");
        await t.shot("log-ansi");
    });
    await t.check("log: markup in a line is text", async () => {
        await page.fill("#stdin", "<img src=x onerror=alert(1)><b>bold</b>");
        await page.keyboard.press("Enter");
        await page.locator(".log-stdout", { hasText: "<img src=x" }).waitFor();
        equal(await page.locator(".log img, .log b").count(), 0, "elements made of it");
    });
}

async function followed(t) {
    const { page } = t;
    await t.check("log: stdout and stderr are told apart by colour and word", async () => {
        await t.goto("/apps/default/worker");
        await page.locator(".log-stderr").first().waitFor({ timeout: 30_000 });
        await page.locator(".log-stdout").first().waitFor();
        const mark = await page.locator(".log-stderr").first().evaluate((e) => getComputedStyle(e, "::before").content);
        equal(mark, '"err"', "the mark");
        await t.shot("log-worker");
    });
    await t.check("log: one stream alone", async () => {
        await page.getByLabel("Streams").selectOption("stderr");
        await eventually(async () => (await page.locator(".log-stdout").count()) === 0, "no stdout");
        await page.getByLabel("Streams").selectOption("all");
        await page.locator(".log-stdout").first().waitFor();
    });
    await t.check("log: pause holds, counts new lines, follow goes to the end", async () => {
        await t.goto("/apps/lab/ticker");
        await t.ensure("lab/ticker", "running");
        await page.locator(".log-row").first().waitFor();
        await page.getByRole("button", { name: "Pause" }).click();
        await page.locator(".log-unseen", { hasText: /new line/ }).waitFor({ timeout: 15_000 });
        await page.locator(".log-unseen").click();
        equal(await following(page), "true", "following");
        await page.locator(".log-unseen").waitFor({ state: "detached" });
    });
    await t.check("log: timestamps and wrapping can be switched", async () => {
        const time = page.locator(".log-time").first();
        await time.waitFor();
        await page.getByRole("button", { name: "Timestamps" }).click();
        await time.waitFor({ state: "hidden" });
        await page.getByRole("button", { name: "Timestamps" }).click();
        await time.waitFor();
        await page.getByRole("button", { name: "Wrap lines" }).click();
        equal(await page.locator(".log-wrapped").count(), 0, "wrapped logs");
        await page.getByRole("button", { name: "Wrap lines" }).click();
        equal(await page.locator(".log-wrapped").count(), 1, "wrapped logs");
    });
    await t.check("log: download gives the text", async () => {
        const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download the log" }).click()]);
        const text = readFileSync(await download.path(), "utf8");
        assert(text.split("\n").length > 1, `the file holds ${text.length} characters`);
    });
}

/** A page whose log is written by the test, over the controller's real stream. */
async function scripted(t, lines) {
    const page = await t.context.newPage();
    const writer = {};
    await page.routeWebSocket("**/api/v1/live", (socket) => {
        const server = socket.connectToServer();
        writer.send = (added, reset = false, skipped = 0) => socket.send(JSON.stringify({ type: "log", app: "default/web", lines: added, reset, skipped }));
        socket.onMessage((text) => {
            if (JSON.parse(text).type === "follow") setTimeout(() => writer.send(lines, true), 50);
            else server.send(text);
        });
        server.onMessage((text) => {
            if (JSON.parse(text).type !== "log") socket.send(text);
        });
    });
    await t.goto("/apps/default/web", page);
    await page.locator(".log-row").first().waitFor();
    return { page, writer };
}

const line = (text, more = {}) => ({ time: new Date().toISOString(), stream: "stdout", text, partial: false, ...more });
const numbered = (from, to) => Array.from({ length: to - from }, (_, i) => line(`line ${from + i} of many`));

async function scrolled(t, page, writer, has) {
    await t.check("log: only what is seen is in the document", async () => {
        await has("line 899 of many").waitFor();
        const count = await page.locator(".log-row").count();
        assert(count < 150, `${count} rows for 900 lines`);
    });
    await t.check("log: scrolling up pauses and stays, new lines do not move it", async () => {
        await page.locator(".log").hover();
        await page.mouse.wheel(0, -4000);
        await eventually(async () => (await following(page)) === "false", "following to stop");
        await page.waitForTimeout(300);
        const first = await page.locator(".log").evaluate((log) => log.scrollTop);
        writer.send(numbered(900, 1000));
        await page.locator(".log-unseen", { hasText: "100 new lines" }).waitFor();
        equal(await page.locator(".log").evaluate((log) => log.scrollTop), first, "the scroll position");
        await t.shot("log-paused", page);
    });
    await t.check("log: scrolling to the end follows again", async () => {
        for (let i = 0; i < 8; i++) await page.mouse.wheel(0, 4000);
        await eventually(async () => (await following(page)) === "true", "following");
        await has("line 999 of many").waitFor();
    });
}

async function searched(t, page, has) {
    await t.check("log: search counts, marks and steps through the matches", async () => {
        await page.keyboard.press("/");
        await page.keyboard.type("LINE 55");
        await page.locator(".log-found", { hasText: /^11 matches$/ }).waitFor();
        await page.keyboard.press("Enter");
        await page.locator(".log-found", { hasText: "11 / 11" }).waitFor();
        await page.locator(".log-current mark").waitFor();
        await page.keyboard.press("Enter");
        await page.locator(".log-found", { hasText: "10 / 11" }).waitFor();
        await t.shot("log-search", page);
        await t.axe(page);
    });
    await t.check("log: only the lines that match", async () => {
        await page.getByRole("button", { name: "Only lines that match" }).click();
        await eventually(async () => (await page.locator(".log-row").count()) === 11, "eleven rows");
        await page.locator("#log-search").press("Escape");
        await page.getByRole("button", { name: "Follow" }).click();
        await has("line 999 of many").waitFor();
    });
}

async function written(t, page, writer, has) {
    await t.check("log: a partial line is continued in its row", async () => {
        writer.send([line("half and ", { partial: true }), line("between", { stream: "stderr" })]);
        writer.send([line("half")]);
        await has("half and half").waitFor();
        equal(await has("half and").count(), 1, "rows");
    });
    await t.check("log: control characters are shown", async () => {
        writer.send([line("bell\x07 and \u202eoverride")]);
        await page.locator(".a-control", { hasText: "^G" }).waitFor();
        await page.locator(".a-control", { hasText: "<202E>" }).waitFor();
    });
    await t.check("log: skipped lines are a row of their own", async () => {
        writer.send(numbered(5000, 5001), false, 1234);
        await page.locator(".log-note", { hasText: "1,234 lines skipped" }).waitFor();
    });
}

async function flooded(t, page, writer, has) {
    await t.check("log: 60,000 lines do not stop the page", async () => {
        const longest = page.evaluate(() => new Promise((resolve) => {
            let worst = 0;
            let last = performance.now();
            const end = last + 4000;
            const step = (now) => {
                worst = Math.max(worst, now - last);
                last = now;
                if (now < end) requestAnimationFrame(step);
                else resolve(worst);
            };
            requestAnimationFrame(step);
        }));
        for (let i = 0; i < 60; i++) {
            writer.send(numbered(10_000 + i * 1000, 11_000 + i * 1000));
            await page.waitForTimeout(40);
        }
        await has("line 69999 of many").waitFor();
        const worst = await longest;
        assert(worst < 500, `a frame took ${Math.round(worst)} ms`);
        console.log(`      worst frame ${Math.round(worst)} ms`);
    });
    await t.check("log: it is bounded", async () => {
        const height = await page.locator(".log-sizer").evaluate((e) => e.offsetHeight);
        assert(height <= 20_000 * 20 && height > 15_000 * 20, `${height / 20} rows are kept`);
    });
}

export default async function log(t) {
    await echoed(t);
    await followed(t);
    const { page, writer } = await scripted(t, numbered(0, 900));
    const has = (text) => page.locator(".log-row", { hasText: text });
    await scrolled(t, page, writer, has);
    await searched(t, page, has);
    await written(t, page, writer, has);
    await flooded(t, page, writer, has);
    await page.close();
}
