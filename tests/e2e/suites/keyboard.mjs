import { assert, equal, eventually } from "../lib/harness.mjs";
import { row } from "./dashboard.mjs";

const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent || "");

async function palette(t) {
    const { page } = t;
    await t.check("palette: Ctrl-K opens it, Esc closes it", async () => {
        await page.keyboard.press("Control+k");
        await page.getByRole("dialog", { name: "Command palette" }).waitFor();
        await t.shot("palette");
        await t.axe();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
    });
    await t.check("palette: finds an app and opens it", async () => {
        await page.keyboard.press("Control+k");
        await page.keyboard.type("sensor");
        await page.keyboard.press("Enter");
        await page.waitForURL("**/apps/lab/sensor");
    });
    await t.check("palette: runs an action on an app", async () => {
        await t.ensure("default/cal-json", "stopped");
        await page.keyboard.press("Control+k");
        await page.keyboard.type("start cal-json");
        await page.getByRole("option", { name: /^Start/ }).first().waitFor();
        await page.keyboard.press("Enter");
        await eventually(async () => (await t.stateOf("default/cal-json")) !== "stopped", "cal-json to start");
        await t.ensure("default/cal-json", "stopped");
    });
    await t.check("palette: leads to a page", async () => {
        await page.keyboard.press("Meta+k");
        await page.keyboard.type("agents");
        await page.keyboard.press("Enter");
        await page.waitForURL("**/agents");
    });
    await t.check("palette: arrows choose, and say so to a screen reader", async () => {
        await page.keyboard.press("Control+k");
        await page.keyboard.press("ArrowDown");
        const active = await page.getByRole("dialog").getByRole("combobox").getAttribute("aria-activedescendant");
        equal(await page.locator(`#${active}`).getAttribute("aria-selected"), "true", "aria-selected");
        await page.keyboard.press("Escape");
    });
}

export default async function keyboard(t) {
    const { page } = t;
    await t.check("keyboard: / focuses the search, Esc leaves it", async () => {
        await t.goto("/");
        await row(page, "default/web").waitFor();
        await page.keyboard.press("/");
        equal(await focused(page), "app-search", "the focus");
        await page.keyboard.type("echo");
        await eventually(async () => (await page.locator("tr[data-app]").count()) < 5, "fewer apps");
        await row(page, "default/echo").waitFor();
        await page.keyboard.press("Escape");
        await eventually(async () => (await page.locator("tr[data-app]").count()) > 5, "all apps again");
        await page.keyboard.press("Escape");
        assert((await focused(page)) !== "app-search", "still in the search");
    });
    await t.check("keyboard: j and k move along the list, Enter opens", async () => {
        const names = await page.locator("[data-row-link]").allTextContents();
        await page.keyboard.press("j");
        equal(await focused(page), names[0], "after j");
        await page.keyboard.press("j");
        equal(await focused(page), names[1], "after j j");
        await page.keyboard.press("k");
        equal(await focused(page), names[0], "after j j k");
        await page.keyboard.press("Enter");
        await page.waitForURL("**/apps/**");
        await page.goBack();
        await row(page, "default/web").waitFor();
    });
    await t.check("keyboard: x selects the app", async () => {
        await page.keyboard.press("j");
        await page.keyboard.press("x");
        await page.getByText("1 app selected").waitFor();
        await page.keyboard.press("x");
        await page.getByText("1 app selected").waitFor({ state: "detached" });
    });
    await t.check("keyboard: ? shows the help, Esc closes it", async () => {
        await page.keyboard.press("?");
        await page.getByRole("dialog", { name: "Keyboard help" }).waitFor();
        await t.shot("help");
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
    });
    await t.check("keyboard: letters typed into a field are letters", async () => {
        await page.getByLabel("Search apps").fill("");
        await page.getByLabel("Search apps").pressSequentially("jx?");
        equal(await page.getByLabel("Search apps").inputValue(), "jx?", "the text");
        equal(await page.getByRole("dialog").count(), 0, "dialogs");
        await page.keyboard.press("Escape");
    });
    await t.check("keyboard: focus can be seen", async () => {
        await t.goto("/");
        await row(page, "default/web").waitFor();
        await page.keyboard.press("Tab");
        await page.keyboard.press("Tab");
        const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        equal(outline, "solid", "the outline");
    });
    await palette(t);
}
