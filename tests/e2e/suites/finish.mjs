// What was watched during all other checks.
import { gzipSync } from "node:zlib";
import { assert } from "../lib/harness.mjs";

const FIRST_LOAD_GZ = 60 * 1024;
const LCP_MS = 1000;

/** The largest paint, and how much moved after it was painted, on a processor four times slower. */
async function paint(t) {
    const page = await t.context.newPage();
    const devtools = await t.context.newCDPSession(page);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    await t.goto("/", page);
    await page.locator("tr[data-app]").first().waitFor();
    await page.waitForTimeout(1500);
    const found = await page.evaluate(() => new Promise((resolve) => {
        const result = { lcp: 0, shift: 0 };
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) result.lcp = entry.startTime;
        }).observe({ type: "largest-contentful-paint", buffered: true });
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) result.shift += entry.value;
        }).observe({ type: "layout-shift", buffered: true });
        setTimeout(() => resolve(result), 300);
    }));
    await page.close();
    return found;
}

export default async function finish(t) {
    await t.check("first load: at most 60 KiB compressed", async () => {
        const page = await t.context.newPage();
        const bodies = [];
        page.on("response", (response) => {
            if (/\.(js|css)$/.test(new URL(response.url()).pathname)) bodies.push(response.body());
        });
        await t.goto("/", page);
        await page.locator("tr[data-app]").first().waitFor();
        const sizes = (await Promise.all(bodies)).map((body) => gzipSync(body).length);
        const total = sizes.reduce((sum, size) => sum + size, 0);
        console.log(`      ${(total / 1024).toFixed(1)} KiB in ${sizes.length} files`);
        assert(sizes.length > 0 && total <= FIRST_LOAD_GZ, `${total} bytes`);
        await page.close();
    });
    await t.check("first load: painted on a slow processor, without a jump", async () => {
        // No other page may work meanwhile, and the middle of three is taken: the machine is not ours alone.
        await t.page.goto("about:blank");
        const runs = [await paint(t), await paint(t), await paint(t)].sort((a, b) => a.lcp - b.lcp);
        const { lcp, shift } = runs[1];
        await t.goto("/");
        console.log(`      largest paint after ${Math.round(lcp)} ms, layout shift ${shift.toFixed(3)}`);
        // A goal to read, not one to fail by: other work on this machine makes it slower.
        console.log(`      the goal is ${LCP_MS} ms`);
        assert(lcp > 0, "nothing was painted");
        assert(shift < 0.1, `a shift of ${shift}`);
    });
    await t.check("always: a strict Content-Security-Policy is sent", async () => {
        const response = await t.page.request.get(`${t.base}/`);
        const policy = response.headers()["content-security-policy"] ?? "";
        assert(policy.includes("default-src 'none'") || policy.includes("default-src 'self'"), `the policy is "${policy}"`);
        assert(!policy.includes("unsafe"), `the policy is "${policy}"`);
    });
    await t.check("always: no violation of the Content-Security-Policy", async () => {
        assert(t.violations.length === 0, t.violations.join("\n"));
    });
    await t.check("always: no request to another host", async () => {
        assert(t.foreign.length === 0, t.foreign.join("\n"));
    });
    await t.check("always: no error in a page", async () => {
        assert(t.pageErrors.length === 0, t.pageErrors.join("\n"));
    });
}
