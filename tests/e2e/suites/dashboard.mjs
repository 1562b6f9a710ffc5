import { assert, equal, eventually } from "../lib/harness.mjs";

export const ALL = [
    "default/web", "default/worker", "default/feeder", "default/echo", "default/cal-toml", "default/cal-yaml",
    "default/cal-json", "default/greeter", "lab/sensor", "lab/ticker",
];

export const row = (page, key) => page.locator(`tr[data-app="${key}"]`);
export const shown = (page) => page.locator("tr[data-app]").evaluateAll((rows) => rows.map((r) => r.dataset.app));

async function filters(t) {
    const { page } = t;
    await t.check("filter: a state chip shows its apps only", async () => {
        await page.getByRole("group", { name: "Filter by state" }).getByRole("button", { name: /^running/ }).click();
        await page.waitForURL("**/?state=running");
        await eventually(async () => {
            const states = await page.locator("tr[data-app] .state-word").allTextContents();
            return states.length >= 1 && states.every((state) => state === "running");
        }, "only running apps");
    });
    await t.check("filter: it is in the address and survives a reload", async () => {
        await page.reload();
        await row(page, "default/web").waitFor();
        const keys = await shown(page);
        assert(!keys.includes("default/cal-json"), `cal-json is shown: ${keys}`);
        await page.getByRole("button", { name: /^All/ }).click();
        await row(page, "default/cal-json").waitFor();
    });
    await t.check("filter: by agent", async () => {
        await page.getByLabel("Agent", { exact: true }).selectOption("lab");
        await eventually(async () => (await shown(page)).every((key) => key.startsWith("lab/")), "only apps of lab");
        await t.goto("/?agent=lab");
        await row(page, "lab/sensor").waitFor();
        assert((await shown(page)).every((key) => key.startsWith("lab/")), "the deep link shows other agents");
    });
    await t.check("search: every word narrows the list", async () => {
        await t.goto("/");
        await page.getByLabel("Search apps").fill("cal-");
        await eventually(async () => (await shown(page)).every((key) => key.startsWith("default/cal-")), "the cal-* apps alone");
        await page.getByLabel("Search apps").fill("cal- yaml");
        await eventually(async () => (await shown(page)).join() === "default/cal-yaml", "cal-yaml alone");
        assert(page.url().includes("q=cal"), "the search is not in the address");
    });
    await t.check("search: what matches nothing says so and can be cleared", async () => {
        await page.getByLabel("Search apps").fill("zzz nothing");
        await page.getByRole("heading", { name: "No app matches" }).waitFor();
        await t.shot("dashboard-no-match");
        await page.getByRole("button", { name: "Clear the filter" }).click();
        await row(page, "default/web").waitFor();
    });
    await t.check("sort: by memory, biggest first, and back", async () => {
        await page.getByRole("button", { name: "Memory" }).click();
        await page.waitForURL("**/?sort=memory");
        equal(await page.locator("th.col-mem").getAttribute("aria-sort"), "ascending", "aria-sort");
        await page.getByRole("button", { name: "Memory" }).click();
        await page.waitForURL("**/?sort=-memory");
        await page.getByRole("button", { name: "App", exact: true }).click();
    });
}

/** The controller's frames, with its apps multiplied. */
async function crowded(t, times) {
    const page = await t.context.newPage();
    await page.routeWebSocket("**/api/v1/live", (socket) => {
        const server = socket.connectToServer();
        socket.onMessage((text) => server.send(text));
        server.onMessage((text) => {
            const frame = JSON.parse(text);
            const copies = (frame.apps ?? []).flatMap((app) => Array.from({ length: times }, (_, i) => ({ ...app, id: `${app.id}-${i}`, name: `${app.id}-${i}` })));
            socket.send(JSON.stringify(frame.apps ? { ...frame, apps: copies } : frame));
        });
    });
    return page;
}

async function scale(t) {
    const page = await crowded(t, 200);
    await t.check("scale: 2,000 apps are there within 3 s", async () => {
        const start = Date.now();
        await t.goto("/", page);
        await page.getByText(/of 2\d00 running/).waitFor();
        console.log(`      ${Date.now() - start} ms`);
        assert(Date.now() - start < 3000, `${Date.now() - start} ms`);
    });
    await t.check("scale: with 2,000 apps changing, the page still answers", async () => {
        const start = Date.now();
        await page.getByLabel("Search apps").fill("sensor-199");
        await eventually(async () => (await shown(page)).join() === "lab/sensor-199", "one app");
        console.log(`      search took ${Date.now() - start} ms`);
        assert(Date.now() - start < 1000, `${Date.now() - start} ms`);
        await page.getByLabel("Search apps").fill("");
    });
    await t.check("scale: the rest of a long list comes by scrolling", async () => {
        const before = (await shown(page)).length;
        assert(before < 400, `${before} rows at once`);
        await eventually(async () => {
            await page.mouse.wheel(0, 5000);
            return (await shown(page)).length > before;
        }, "more rows");
    });
    await page.close();
}

export default async function dashboard(t) {
    const { page } = t;
    await t.check("dashboard: shows the apps of both agents", async () => {
        await t.goto("/");
        await row(page, "default/web").waitFor();
        const keys = await shown(page);
        for (const key of ALL) assert(keys.includes(key), `${key} is missing`);
    });
    await t.check("dashboard: state is a word and a shape", async () => {
        await t.ensure("default/web", "running");
        const mark = row(page, "default/web").locator(".state");
        equal(await mark.locator(".state-word").textContent(), "running", "the word");
        equal(await mark.locator("svg path").count(), 1, "the shape");
    });
    await t.check("dashboard: CPU, memory and uptime of a running app", async () => {
        await eventually(async () => /\d %/.test(await row(page, "default/web").locator(".col-cpu").textContent()), "CPU");
        assert(/[KM]iB/.test(await row(page, "default/web").locator(".col-mem").textContent()), "memory");
        assert(/\d+s|\d+m|\d+h|\d+d/.test(await row(page, "default/web").locator(".col-up").textContent()), "uptime");
    });
    await t.check("dashboard: metrics come by themselves", async () => {
        const uptime = row(page, "default/web").locator(".col-up");
        const before = await uptime.textContent();
        await eventually(async () => (await uptime.textContent()) !== before, "the uptime to move");
    });
    await t.check("dashboard: nothing prints NaN, undefined or null", async () => {
        const text = await page.locator("body").innerText();
        assert(!/NaN|undefined|null|\[object/.test(text), "an unready value is shown");
    });
    await t.check("dashboard: says that it is live", () => page.locator(".link-live").waitFor());
    await t.check("dashboard: accessible, light", async () => {
        await t.shot("dashboard-light");
        await t.axe();
    });
    await t.check("dashboard: a change made elsewhere shows without a reload", async () => {
        await t.ensure("default/greeter", "stopped");
        const seen = page.evaluate(() => new Promise((resolve) => {
            const word = () => document.querySelector('tr[data-app="default/greeter"] .state-word')?.textContent;
            const timer = setInterval(() => {
                if (word() !== "running") return;
                clearInterval(timer);
                resolve(true);
            }, 10);
            setTimeout(() => resolve(false), 20_000);
        }));
        await t.api("POST", "/agents/default/apps/greeter/start", {});
        assert(await seen, "no change seen");
    });
    await t.check("dashboard: start and stop from the row", async () => {
        await row(page, "default/cal-yaml").getByRole("button", { name: /^Start/ }).click();
        await eventually(async () => (await row(page, "default/cal-yaml").locator(".state-word").textContent()) !== "stopped", "it to leave stopped");
        await t.ensure("default/cal-yaml", "stopped");
    });
    await filters(t);
    await scale(t);
}
