import { assert, equal, eventually } from "../lib/harness.mjs";

const state = (page) => page.locator(".reason .state-word").textContent();

async function errors(t) {
    const { page } = t;
    await t.check("app: an error shows the problem's detail as a toast", async () => {
        await page.route("**/apps/echo/restart", (route) => route.fulfill({
            status: 504, contentType: "application/problem+json",
            body: JSON.stringify({ type: "urn:berth:504", title: "Agent does not answer", status: 504, detail: "default said nothing for 30 s" }),
        }));
        await page.getByRole("button", { name: "Restart", exact: true }).click();
        await page.locator(".toast-error").getByText("default said nothing for 30 s").waitFor();
        await page.unroute("**/apps/echo/restart");
        equal(await page.locator(".reason .pending").count(), 0, "pending marks after an error");
    });
    await t.check("app: the toast is kept in the notifications", async () => {
        await page.getByRole("button", { name: /^Notifications/ }).click();
        await page.getByRole("dialog", { name: "Notifications" }).getByText("default said nothing for 30 s").waitFor();
        await t.shot("notifications");
        await t.axe();
        await page.keyboard.press("Escape");
        await page.locator(".toast-error").getByRole("button", { name: "Dismiss" }).click();
    });
}

async function shown(t) {
    const { page } = t;
    await t.check("app page: opens from the list", async () => {
        await t.ensure("default/echo", "running");
        await t.goto("/");
        await page.locator('tr[data-app="default/echo"] [data-row-link]').click();
        await page.waitForURL("**/apps/default/echo");
        equal(await state(page), "running", "the state");
    });
    await t.check("app page: says why, first", async () => {
        assert((await page.locator(".reason-text").textContent()).length > 3, "no reason");
        await page.getByText("Explain", { exact: true }).click();
        const why = await page.locator(".explanation-body").textContent();
        assert(why.includes("What comes next") && why.includes("restart.policy"), why);
        await page.getByText("Explain", { exact: true }).click();
    });
    await t.check("app page: shows pid, command and path", async () => {
        const facts = await page.locator(".app-side").innerText();
        for (const name of ["Pid", "Command", "Path", "Descriptor"]) assert(facts.includes(name), `no ${name}`);
    });
    await t.check("app page: shows its history", () => page.locator(".history li").first().waitFor());
    await t.check("app page: accessible", async () => {
        await page.locator(".log-row").first().waitFor();
        await t.shot("app-light");
        await t.axe();
    });
}

async function acted(t) {
    const { page } = t;
    await t.check("app: stop is pending until the stream confirms it", async () => {
        await page.evaluate(() => {
            window.seen = [];
            new MutationObserver(() => {
                const text = document.querySelector(".reason .pending")?.textContent;
                if (text) window.seen.push(text);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        });
        await page.getByRole("button", { name: "Stop", exact: true }).click();
        await eventually(async () => /^(stopped|exited|failed)$/.test(await state(page)), "it to stop", 30_000);
        assert((await page.evaluate(() => window.seen)).some((text) => text.startsWith("stopping")), "no pending mark");
        await eventually(async () => (await page.locator(".reason .pending").count()) === 0, "the mark to go");
    });
    await t.check("app: what makes no sense now is disabled", async () => {
        assert(await page.getByRole("button", { name: "Stop", exact: true }).isDisabled(), "Stop");
        assert(await page.getByRole("button", { name: "Kill", exact: true }).isDisabled(), "Kill");
        assert(await page.locator("#stdin").isDisabled(), "stdin");
    });
    await t.check("app: start", async () => {
        await page.getByRole("button", { name: "Start", exact: true }).click();
        await eventually(async () => (await state(page)) === "running", "it to run", 30_000);
    });
    await t.check("app: restart gives a new pid", async () => {
        const pid = () => page.locator(".facts > div", { hasText: /^Pid/ }).locator("dd").textContent();
        const before = await pid();
        await page.getByRole("button", { name: "Restart", exact: true }).click();
        await eventually(async () => (await state(page)) === "running" && (await pid().catch(() => before)) !== before, "a new pid", 30_000);
    });
}

async function killed(t) {
    const { page } = t;
    await t.check("app: kill asks first", async () => {
        await page.getByRole("button", { name: "Kill", exact: true }).click();
        await page.getByRole("dialog", { name: /^Kill/ }).waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
        equal(await state(page), "running", "the state after Esc");
    });
    await t.check("app: kill after a yes", async () => {
        await page.getByRole("button", { name: "Kill", exact: true }).click();
        const pid = page.locator(".facts > div", { hasText: /^Pid/ }).locator("dd");
        const before = await pid.textContent();
        await page.getByRole("dialog").getByRole("button", { name: "Kill" }).click();
        await eventually(async () => (await pid.count()) === 0 || (await pid.textContent({ timeout: 500 }).catch(() => "")) !== before, "it to be gone", 30_000);
        await t.ensure("default/echo", "running");
    });
}

export default async function app(t) {
    const { page } = t;
    await shown(t);
    await acted(t);
    await errors(t);
    await killed(t);
    await t.check("app: an app that crashes shows backoff, the exit and the next try", async () => {
        await t.ensure("default/worker", "running");
        await t.goto("/apps/default/worker");
        await eventually(async () => (await state(page)) === "backoff", "backoff", 90_000);
        await page.getByText(/Next try/).waitFor();
        assert(/\d/.test(await page.locator(".reason-text").textContent()), "the reason names no exit code");
        await t.shot("app-backoff");
        await t.axe();
    });
    await t.check("app: an address of no app says so", async () => {
        await t.goto("/apps/default/no-such-app");
        await page.getByRole("heading", { name: "No app default/no-such-app" }).waitFor();
        await t.shot("app-missing");
    });
}
