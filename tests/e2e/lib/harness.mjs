// One browser, a counter of checks, and watchers for what no page of ours may ever do.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ARGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const OUT = fileURLToPath(new URL("../out/", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { width: 1360, height: 860 };

export const PHONE = { width: 360, height: 740 };

export function assert(condition, message) {
    if (!condition) throw new Error(message);
}

export function equal(actual, expected, what) {
    assert(Object.is(actual, expected), `${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

/** Asks until the answer is truthy, and returns it. */
export async function eventually(ask, what, ms = 10_000) {
    const end = Date.now() + ms;
    let last;
    do {
        last = await ask();
        if (last) return last;
        await new Promise((resolve) => setTimeout(resolve, 50));
    } while (Date.now() < end);
    throw new Error(`not within ${ms} ms: ${what} (last answer: ${JSON.stringify(last)})`);
}

export class Harness {
    passed = 0;
    failures = [];
    violations = [];
    foreign = [];
    pageErrors = [];

    constructor(options) {
        Object.assign(this, options);
        mkdirSync(OUT, { recursive: true });
    }

    async open() {
        this.browser = await chromium.launch({ executablePath: process.env.BERTH_CHROMIUM ?? "/usr/bin/chromium", args: [...ARGS, ...(this.args ?? [])] });
        this.context = await this.newContext({});
        this.page = await this.context.newPage();
    }

    async newContext(options) {
        const context = await this.browser.newContext({
            viewport: DESKTOP, colorScheme: "light", ignoreHTTPSErrors: this.ignoreHTTPSErrors ?? false, ...options,
        });
        context.setDefaultTimeout(10_000);
        await context.exposeBinding("reportViolation", (_, text) => this.violations.push(text));
        await context.addInitScript(() => {
            document.addEventListener("securitypolicyviolation", (event) => {
                window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
            });
        });
        context.on("page", (page) => this.watch(page));
        return context;
    }

    /** A context of its own that is signed in already. */
    async signedInContext(options = {}) {
        return this.newContext({ ...options, storageState: await this.context.storageState() });
    }

    watch(page) {
        page.on("console", (message) => {
            if (/Content[- ]Security[- ]Policy/i.test(message.text())) this.violations.push(message.text());
        });
        page.on("pageerror", (error) => this.pageErrors.push(String(error.stack ?? error)));
        page.on("request", (request) => {
            const url = request.url();
            if (/^(https?|wss?):/.test(url) && new URL(url).host !== new URL(this.base).host) this.foreign.push(url);
        });
        page.on("websocket", (socket) => {
            if (new URL(socket.url()).host !== new URL(this.base).host) this.foreign.push(socket.url());
        });
    }

    async check(name, body) {
        if (this.only && !name.includes(this.only) && !/^(set-up|log (in|out)|login page)/.test(name)) return;
        const start = Date.now();
        try {
            await body();
            this.passed++;
            console.log(`ok    ${name} (${Date.now() - start} ms)`);
        } catch (error) {
            this.failures.push(name);
            console.log(`FAIL  ${name}\n      ${String(error.message).split("\n").slice(0, 12).join("\n      ")}`);
            await this.shot(`fail-${name.replace(/[^a-z0-9]+/gi, "-")}`).catch(() => {});
        }
    }

    async shot(name, page = this.page) {
        await page.screenshot({ path: `${OUT}${name}.png`, animations: "disabled" });
    }

    async goto(path, page = this.page) {
        await page.goto(this.base + path);
    }

    /** A request with the session of the page, for what a test needs but does not test. */
    async api(method, path, body, page = this.page) {
        return page.evaluate(async ([method, path, body]) => {
            const session = await (await fetch("/api/v1/session")).json();
            const response = await fetch(`/api/v1${path}`, {
                method,
                headers: { "Content-Type": "application/json", "X-CSRF-Token": session.csrf },
                body: body === undefined ? null : JSON.stringify(body),
            });
            const text = await response.text();
            return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
        }, [method, path, body]);
    }

    async stateOf(key) {
        const { body } = await this.api("GET", "/apps");
        return body.apps.find((app) => `${app.agent}/${app.id}` === key)?.state;
    }

    /** Brings an app into the state that a test starts from. */
    async ensure(key, wanted) {
        const [agent, id] = key.split("/");
        await eventually(async () => {
            const state = await this.stateOf(key);
            if (state === wanted) return true;
            const resting = ["stopped", "exited", "failed"].includes(state);
            if (wanted === "running" && resting) await this.api("POST", `/agents/${agent}/apps/${id}/start`, {});
            if (wanted === "stopped" && (state === "running" || state === "backoff")) await this.api("POST", `/agents/${agent}/apps/${id}/stop`, {});
            return wanted === "stopped" && ["exited", "failed"].includes(state);
        }, `${key} to be ${wanted}`, 30_000);
    }

    async axe(page = this.page) {
        // What has been scrolled half under the sticky header would count as a target that is too small.
        await page.evaluate(() => window.scrollTo(0, 0));
        await page.evaluate(AXE);
        const found = await page.evaluate(() => window.axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        }));
        const lines = found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 140)} ${n.any[0]?.message ?? ""}`).join(" | ")}`);
        assert(lines.length === 0, lines.join("\n"));
    }

    async noSidewaysScroll(page) {
        const { scroll, client } = await page.evaluate(() => ({
            scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth,
        }));
        assert(scroll <= client, `the page is ${scroll} px wide in ${client} px`);
    }
}
