import { assert, equal, eventually, PHONE } from "../lib/harness.mjs";

const PAGES = [["dashboard", "/"], ["app", "/apps/default/worker"], ["agents", "/agents"], ["echo", "/apps/default/echo"]];

async function ready(page) {
    await page.locator(".link-live").waitFor();
    await page.locator("tr[data-app], .log-row, .agent-card").first().waitFor();
    await page.waitForTimeout(700);
}

const paper = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);

async function dark(t) {
    const context = await t.signedInContext({ colorScheme: "dark" });
    const page = await context.newPage();
    for (const [name, path] of PAGES) {
        await t.check(`dark: ${name} is accessible`, async () => {
            await t.goto(path, page);
            await ready(page);
            await t.shot(`${name}-dark`, page);
            await t.axe(page);
        });
    }
    await t.check("theme: follows the system, can be chosen, and is remembered", async () => {
        const auto = await paper(page);
        await page.getByRole("button", { name: "Theme: auto" }).click();
        await page.getByRole("button", { name: "Theme: light" }).waitFor();
        const light = await paper(page);
        assert(auto !== light, `both are ${auto}`);
        await page.reload();
        await ready(page);
        equal(await paper(page), light, "the colour after a reload");
        await page.keyboard.press("Control+k");
        await page.keyboard.type("theme dark");
        await page.keyboard.press("Enter");
        await eventually(async () => (await paper(page)) === auto, "dark again");
    });
    await context.close();
}

async function phone(t) {
    const context = await t.signedInContext({ viewport: PHONE, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
    const page = await context.newPage();
    for (const [name, path] of PAGES) {
        await t.check(`phone: ${name} fits into 360 px and is accessible`, async () => {
            await t.goto(path, page);
            await ready(page);
            await t.noSidewaysScroll(page);
            await t.shot(`${name}-phone`, page);
            await t.axe(page);
        });
    }
    await t.check("phone: an app can be opened and its log read", async () => {
        await t.goto("/", page);
        await ready(page);
        await page.locator('tr[data-app="default/echo"] [data-row-link]').tap();
        await page.waitForURL("**/apps/default/echo");
        await page.locator(".log").scrollIntoViewIfNeeded();
        await page.locator(".log-row").first().waitFor();
        await t.shot("log-phone", page);
        await t.noSidewaysScroll(page);
    });
    await t.check("phone: the selection bar fits", async () => {
        await t.goto("/", page);
        await ready(page);
        await page.locator('tr[data-app="default/web"]').getByRole("checkbox").tap();
        await page.getByText("1 app selected").waitFor();
        await t.noSidewaysScroll(page);
        await t.shot("bulk-phone", page);
    });
    await context.close();
}

export default async function look(t) {
    await dark(t);
    await phone(t);
    await t.check("motion: none for those who do not want it", async () => {
        const context = await t.signedInContext({ reducedMotion: "reduce" });
        const page = await context.newPage();
        await t.goto("/", page);
        await ready(page);
        const running = await page.evaluate(() => document.getAnimations().length);
        equal(running, 0, "running animations");
        await context.close();
    });
    await t.check("deep link: a filtered, sorted list opens as it was sent", async () => {
        await t.goto("/?state=running&agent=default&sort=cpu");
        await ready(t.page);
        const states = await t.page.locator("tr[data-app] .state-word").allTextContents();
        assert(states.length > 0 && states.every((state) => state === "running"), `states ${states}`);
        equal(await t.page.locator("th.col-cpu").getAttribute("aria-sort"), "ascending", "the sorted column");
    });
    await t.check("unknown address: says so", async () => {
        await t.goto("/no/such/page");
        await t.page.getByRole("heading", { name: "There is no such page" }).waitFor();
    });
}
