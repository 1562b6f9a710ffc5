// proxied.mjs URL USER PASSWORD APP: one walk through a panel behind a proxy: log in, live, stdin, log, pages, log out. The harness's
// watchers see to it that nothing is asked of another host and that the Content-Security-Policy holds.
import { assert, equal, eventually, Harness } from "./lib/harness.mjs";

const [url, user, password, app] = process.argv.slice(2);
const words = `through the proxy at ${url}`;
const base = url.replace(/\/$/, "");
const t = new Harness({
    base,
    // The name is in no DNS, and the certificate is the test's own.
    args: [`--host-resolver-rules=MAP ${new URL(url).hostname} 127.0.0.1`],
    ignoreHTTPSErrors: true,
});
await t.open();
const { page } = t;
const failed = [];
page.on("response", (response) => {
    if (response.status() >= 400 && !response.url().endsWith("/api/v1/session")) failed.push(`${response.status()} ${response.url()}`);
});

await t.check("log in", async () => {
    await t.goto("/agents");
    await page.waitForURL(`${base}/login?next=**`);
    await page.fill("#username", user);
    await page.fill("#password", password);
    await page.click("button[type=submit]");
    await page.waitForURL(`${base}/agents`);
});
await t.check("live", () => page.locator(".link-live").waitFor());
await t.check("the cookie is safe", async () => {
    const cookies = await t.context.cookies();
    assert(cookies.length > 0, "no cookie");
    for (const cookie of cookies) {
        equal(cookie.secure, base.startsWith("https:"), `Secure of ${cookie.name}`);
        equal(cookie.path, new URL(url).pathname, `the path of ${cookie.name}`);
    }
});
await t.check("links lead to pages of ours, in this window and in others", async () => {
    await page.getByRole("link", { name: "Apps", exact: true }).click();
    await page.waitForURL(`${base}/`);
    const link = page.locator(`tr[data-app="${app}"] [data-row-link]`);
    await link.waitFor();
    const address = await link.evaluate((element) => element.href);
    equal(address, `${base}/apps/${app}`, "the link");
    await page.goto(address);
    await page.getByText("Explain", { exact: true }).waitFor();
});
await t.check("stdin, and the log that follows", async () => {
    await eventually(() => page.locator("#stdin").isEnabled(), "stdin to be enabled");
    await page.fill("#stdin", words);
    await page.keyboard.press("Enter");
    await page.locator(".log-stdout", { hasText: words }).waitFor();
});
await t.check("a figure's chart, which is a script of its own", async () => {
    await page.locator(".charts summary").click();
    await page.locator(".uplot").first().waitFor({ timeout: 30_000 });
});
await t.check("download of the log", async () => {
    const [download] = await Promise.all([
        page.waitForEvent("download"), page.getByRole("link", { name: /download/i }).first().click(),
    ]);
    const stream = await download.createReadStream();
    let text = "";
    for await (const piece of stream) text += piece;
    assert(text.includes(words), `the log is: ${text.slice(-200)}`);
});
await t.check("log out", async () => {
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL(`${base}/login`);
    equal((await t.context.cookies()).filter((cookie) => cookie.name.includes("session")).length, 0, "cookies of a session");
});
await t.check("nothing was asked elsewhere, and nothing failed", async () => {
    equal([...failed, ...t.foreign, ...t.violations, ...t.pageErrors].join("\n"), "", "complaints");
});
await t.browser.close();
console.log(`${t.passed} passed, ${t.failures.length} failed`);
process.exit(t.failures.length === 0 ? 0 : 1);
