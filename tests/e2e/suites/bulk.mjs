import { assert, eventually } from "../lib/harness.mjs";
import { row } from "./dashboard.mjs";

const CAL = ["default/cal-toml", "default/cal-yaml", "default/cal-json"];

export default async function bulk(t) {
    const { page } = t;
    await t.check("bulk: selecting shows the bar with the count", async () => {
        for (const key of CAL) await t.ensure(key, "stopped");
        await t.goto("/");
        for (const key of CAL) await row(page, key).getByRole("checkbox").check();
        await page.getByText("3 apps selected").waitFor();
    });
    await t.check("bulk: start gives a result for each", async () => {
        await page.getByRole("region", { name: "Selected apps" }).getByRole("button", { name: "Start", exact: true }).click();
        const report = page.locator(".bulk-report");
        await report.getByText("of 3 done").waitFor();
        for (const key of CAL) await report.getByText(key, { exact: true }).waitFor();
        await t.shot("bulk-result");
        await t.axe();
    });
    await t.check("bulk: one that fails says why, the others are done", async () => {
        await page.route("**/api/v1/apps/actions", (route) => route.fulfill({
            json: { results: [{ app: CAL[0], ok: true, error: null }, { app: CAL[1], ok: false, error: "its agent does not answer" }] },
        }));
        await page.getByRole("region", { name: "Selected apps" }).getByRole("button", { name: "Restart" }).click();
        await page.locator(".bulk-report").getByText("1 of 2 done").waitFor();
        await page.locator(".bulk-report").getByText("its agent does not answer").waitFor();
        await page.unroute("**/api/v1/apps/actions");
    });
    await t.check("bulk: stop of several asks first, and Cancel does nothing", async () => {
        let sent = 0;
        const count = (request) => request.url().endsWith("/apps/actions") && sent++;
        page.on("request", count);
        await eventually(() => page.getByRole("region", { name: "Selected apps" }).getByRole("button", { name: "Stop" }).isEnabled(), "Stop to be enabled");
        await page.getByRole("region", { name: "Selected apps" }).getByRole("button", { name: "Stop" }).click();
        await page.getByRole("dialog", { name: "Stop 3 apps?" }).waitFor();
        await t.shot("bulk-confirm");
        await page.getByRole("button", { name: "Cancel" }).click();
        page.off("request", count);
        assert(sent === 0, "it was sent");
    });
    await t.check("bulk: stop of several after a yes", async () => {
        await page.getByRole("region", { name: "Selected apps" }).getByRole("button", { name: "Stop" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
        await page.locator(".bulk-report").getByText(/Stop: \d of 3 done/).waitFor();
        for (const key of CAL) await t.ensure(key, "stopped");
    });
    await t.check("bulk: select all, clear", async () => {
        await page.getByRole("checkbox", { name: "Select all shown apps" }).check();
        await page.getByText(/^\d\d+ apps selected/).waitFor();
        await page.getByRole("button", { name: "Clear the selection" }).click();
        await page.getByText(/apps? selected/).waitFor({ state: "detached" });
    });
}
