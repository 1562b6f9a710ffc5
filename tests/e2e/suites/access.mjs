import { assert, eventually, equal, PHONE } from "../lib/harness.mjs";

export const USER = "admin";
export const PASSWORD = "correct horse battery";

export async function logIn(page, password = PASSWORD) {
    await page.fill("#username", USER);
    await page.fill("#password", password);
    await page.click("button[type=submit]");
}

async function setUp(t) {
    const { page } = t;
    await t.check("set-up: without a user every address leads to it", async () => {
        await t.goto("/agents");
        await page.waitForURL("**/setup");
        await page.getByLabel("Setup token").waitFor();
    });
    await t.check("set-up: accessible", () => t.axe());
    await t.check("set-up: a short password is refused before it is sent", async () => {
        await t.goto(`/setup#token=${t.token}`);
        await page.getByRole("heading", { name: "Welcome to Berth" }).waitFor();
        await t.shot("setup");
        await page.fill("#password", "short");
        await page.click("button[type=submit]");
        await page.getByText("needs at least 8 characters").waitFor();
    });
    await t.check("set-up: a wrong token is refused with its reason", async () => {
        await t.goto("/login");
        await t.goto("/setup#token=wrong");
        await page.fill("#password", PASSWORD);
        await page.click("button[type=submit]");
        await eventually(async () => (await page.locator("[role=alert]").textContent()).length > 5, "a reason");
    });
    await t.check("set-up: the link makes the first user and logs in", async () => {
        await t.goto("/login");
        await t.goto(`/setup#token=${t.token}`);
        await page.fill("#username", USER);
        await page.fill("#password", PASSWORD);
        await page.click("button[type=submit]");
        await page.getByRole("heading", { name: "Apps", exact: true }).waitFor();
        assert(!page.url().includes(t.token), "the token stays in the address");
    });
}

async function changePassword(t) {
    const { page } = t;
    const next = "another good one";
    const dialog = (on = page) => on.getByRole("dialog", { name: "Change password" });
    const fill = async (present, password, again = password, on = page) => {
        await dialog(on).getByLabel("Present password").fill(present);
        await dialog(on).getByLabel("New password", { exact: true }).fill(password);
        await dialog(on).getByLabel("New password again").fill(again);
        await dialog(on).getByRole("button", { name: "Change password" }).click();
    };
    await t.check("password: what is wrong is said, each in words of its own", async () => {
        await page.getByRole("button", { name: `${USER}: change password` }).click();
        await fill("not the present one", next);
        await dialog().getByText("The present password is wrong.").waitFor();
        await fill(PASSWORD, "short");
        await dialog().getByText("needs at least 8 characters").waitFor();
        await fill(PASSWORD, next, "another odd one");
        await dialog().getByText("The two new passwords differ.").waitFor();
        await fill(PASSWORD, "password1");
        await dialog().getByText("everybody tries").waitFor();
        await t.shot("password-light");
        await t.axe();
    });
    await t.check("password: it looks as well in the dark and on a phone", async () => {
        for (const [name, options] of [["dark", { colorScheme: "dark" }], ["phone", { viewport: PHONE, isMobile: true, hasTouch: true }]]) {
            const context = await t.signedInContext(options);
            const other = await context.newPage();
            await t.goto("/", other);
            await other.locator(".link-live").waitFor();
            await other.keyboard.press("Control+k");
            await other.keyboard.type("change pass");
            await other.keyboard.press("Enter");
            await fill("", next, next, other);
            await dialog(other).getByText("Type the present password too.").waitFor();
            await t.shot(`password-${name}`, other);
            await t.axe(other);
            await context.close();
        }
    });
    await t.check("password: the change ends the other sessions, and not this one", async () => {
        const context = await t.newContext({});
        const other = await context.newPage();
        await t.goto("/login", other);
        await logIn(other);
        await other.locator(".link-live").waitFor();
        await fill(PASSWORD, next);
        await page.locator(".toast").getByText("The password is changed").waitFor();
        await other.waitForURL("**/login**");
        await logIn(other);
        await other.getByText("User name or password is wrong").waitFor();
        await logIn(other, next);
        await other.locator(".link-live").waitFor();
        await context.close();
        equal(await page.evaluate(() => fetch("/api/v1/apps").then((r) => r.status)), 200, "the API in this session");
        equal((await t.api("POST", "/session/password", { present: next, password: PASSWORD })).status, 204, "and back");
    });
}

export default async function access(t) {
    const { page } = t;
    await setUp(t);
    await t.check("log out: leads to the log in page", async () => {
        await page.getByRole("button", { name: "Log out" }).click();
        await page.waitForURL("**/login");
        equal((await page.evaluate(() => fetch("/api/v1/apps").then((r) => r.status))), 401, "the API after log out");
    });
    await t.check("log in: a wrong password is refused in words", async () => {
        await t.goto("/login");
        await logIn(page, "wrong password");
        await page.getByText("User name or password is wrong").waitFor();
        await t.shot("login-wrong");
    });
    await t.check("login page: accessible", () => t.axe());
    await t.check("login page: leads back to the address that was asked for", async () => {
        await t.goto("/apps/default/web");
        await page.waitForURL("**/login?next=**");
        await t.shot("login");
        await logIn(page);
        await page.waitForURL("**/apps/default/web");
    });
    await t.check("login page: leads to no other site", async () => {
        await page.getByRole("button", { name: "Log out" }).click();
        await page.waitForURL("**/login");
        await t.goto("/login?next=//example.org/");
        await logIn(page);
        await page.getByRole("heading", { name: "Apps", exact: true }).waitFor();
        equal(new URL(page.url()).origin, t.base, "the origin");
    });
    await t.check("log in: survives a reload", async () => {
        await page.reload();
        await page.getByRole("heading", { name: "Apps", exact: true }).waitFor();
    });
    await changePassword(t);
    await t.check("session: the cookie cannot be read by scripts", async () => {
        equal(await page.evaluate(() => document.cookie), "", "document.cookie");
    });
}
