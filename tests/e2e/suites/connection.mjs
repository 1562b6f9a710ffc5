import { assert, equal, eventually } from "../lib/harness.mjs";

const TABS = 8;

async function cuts(t) {
    const { page } = t;
    await t.check("cut: a banner says so, with the age of the data", async () => {
        await t.goto("/");
        await page.locator('tr[data-app="default/web"]').waitFor();
        t.proxy.cut();
        await page.locator(".banner", { hasText: /Reconnecting.*data is \d+s old/ }).waitFor();
        await t.shot("reconnecting");
    });
    await t.check("cut: the old data stays, without a spinner over it", async () => {
        assert((await page.locator("tr[data-app]").count()) >= 10, "rows are gone");
        equal(await page.locator(".skeleton, .opening").count(), 0, "spinners");
        await t.axe();
    });
    await t.check("cut: an action says that there is no answer", async () => {
        await page.locator('tr[data-app="default/web"]').getByRole("button", { name: /^Restart/ }).click();
        await page.locator(".toast-error").getByText("does not answer").waitFor();
        equal(await page.locator(".pending").count(), 0, "pending marks");
    });
    await t.check("cut: it reconnects by itself and has what was missed", async () => {
        t.proxy.mend();
        await page.locator(".banner").waitFor({ state: "detached", timeout: 15_000 });
        await page.locator(".link-live").waitFor();
        const uptime = page.locator('tr[data-app="default/web"] .col-up');
        const before = await uptime.textContent();
        await eventually(async () => (await uptime.textContent()) !== before, "live data");
    });
    await t.check("cut: the log goes on after it", async () => {
        await t.ensure("lab/ticker", "running");
        await t.goto("/apps/lab/ticker");
        await page.locator(".log-row").first().waitFor();
        t.proxy.cut();
        await page.waitForTimeout(1500);
        t.proxy.mend();
        await page.locator(".link-live").waitFor({ timeout: 15_000 });
        const last = () => page.locator(".log-row").last().innerText();
        const before = await last();
        await eventually(async () => (await last()) !== before, "a new line");
    });
}

async function gaps(t) {
    await t.check("gap: a missing delta leads to a new snapshot", async () => {
        const page = await t.context.newPage();
        let connections = 0;
        let dropped = false;
        await page.routeWebSocket("**/api/v1/live", (socket) => {
            connections++;
            const server = socket.connectToServer();
            socket.onMessage((text) => server.send(text));
            server.onMessage((text) => {
                if (!dropped && JSON.parse(text).type === "delta") dropped = true;
                else socket.send(text);
            });
        });
        await t.goto("/", page);
        await eventually(() => connections >= 2, "a second connection", 15_000);
        await page.locator(".link-live").waitFor();
        await page.close();
    });
}

export default async function connection(t) {
    const { page } = t;
    await cuts(t);
    await gaps(t);
    await t.check("tabs: eight at once all follow a change", async () => {
        await t.ensure("default/cal-json", "stopped");
        const tabs = await Promise.all(Array.from({ length: TABS }, () => t.context.newPage()));
        await Promise.all(tabs.map((tab) => t.goto("/", tab)));
        await Promise.all(tabs.map((tab) => tab.locator('tr[data-app="default/cal-json"]').waitFor({ timeout: 20_000 })));
        await t.api("POST", "/agents/default/apps/cal-json/start", {});
        await Promise.all(tabs.map((tab) => eventually(
            async () => (await tab.locator('tr[data-app="default/cal-json"] .state-word').textContent()) !== "stopped", "the change in every tab",
        )));
        await Promise.all(tabs.map((tab) => tab.close()));
        await t.ensure("default/cal-json", "stopped");
    });
    await t.check("session: its end in one tab ends the others", async () => {
        const other = await t.newContext({});
        const [one, two] = [await other.newPage(), await other.newPage()];
        await t.goto("/login", one);
        const { logIn } = await import("./access.mjs");
        await logIn(one);
        await one.getByRole("heading", { name: "Apps", exact: true }).waitFor();
        await t.goto("/", two);
        await two.locator(".link-live").waitFor();
        await one.getByRole("button", { name: "Log out" }).click();
        await two.waitForURL("**/login**", { timeout: 20_000 });
        await other.close();
        await page.bringToFront();
    });
}
