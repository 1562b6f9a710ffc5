import { writeFileSync, mkdtempSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, equal, eventually } from "../lib/harness.mjs";

// Apps of its own, loaded with the command line: the mock has none.
function load(descriptors) {
    const folder = mkdtempSync(join(tmpdir(), "berth-e2e-"));
    const files = Object.entries(descriptors).map(([name, text]) => {
        const file = join(folder, `${name}.toml`);
        writeFileSync(file, text);
        return file;
    });
    execFileSync("berth", ["load", ...files]);
}

const berth = (...words) => execFileSync("berth", words, { encoding: "utf8" });

async function crashes(t) {
    const { page } = t;
    await t.check("crashes: are grouped, with their last lines", async () => {
        try {
            berth("start", "crasher");
        } catch {
            // It ends before it is up, which is what it is for.
        }
        await t.goto("/apps/default/crasher");
        const group = page.locator(".crash-groups li").first();
        await group.getByText("no disk").first().waitFor();
        await eventually(async () => (await group.locator("strong").textContent()) === "3×", "three crashes in one group");
        await group.locator("summary").first().click();
        assert((await group.locator(".explanation").first().textContent()).includes("err error: no disk"), "its last lines");
        await t.shot("crashes");
        await t.axe();
    });
}

async function waiting(t) {
    const { page } = t;
    await t.check("waiting: says for what, and what that lacks", async () => {
        berth("start", "needy", "--no-wait");
        await t.goto("/apps/default/needy");
        await page.getByText(/notready is starting: .*exited 1/).first().waitFor();
        await t.shot("waiting");
    });
    await t.check("check: what the ready check saw is among the facts", async () => {
        await t.goto("/apps/default/notready");
        await page.locator(".facts", { hasText: "exited 1: still warming up" }).waitFor();
        berth("stop", "needy", "notready");
    });
    await t.check("schedule: the next run is shown", async () => {
        await t.goto("/apps/default/nightly");
        await page.getByText(/Next run by its schedule/).waitFor();
        await page.locator(".facts", { hasText: "17 3 * * *" }).waitFor();
    });
}

async function instances(t) {
    const { page } = t;
    await t.check("instances: one more, one fewer", async () => {
        berth("start", "many");
        await t.goto("/apps/default/many.1");
        const group = page.getByRole("group", { name: "Instances" });
        await group.getByText("2 instances").waitFor();
        await group.getByRole("button", { name: "One more" }).click();
        await group.getByText("3 instances").waitFor();
        await t.ensure("default/many.3", "running");
        await t.axe();
        await group.getByRole("button", { name: "One fewer" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "One fewer" }).click();
        await group.getByText("2 instances").waitFor();
    });
}

async function charts(t) {
    const { page } = t;
    await t.check("charts: figures of the last hour, drawn and as a table", async () => {
        await t.ensure("default/echo", "running");
        await t.goto("/apps/default/echo");
        await page.getByText("Charts", { exact: true }).click();
        await page.locator(".plot canvas").first().waitFor({ timeout: 30_000 });
        equal(await page.locator(".plot").count(), 6, "charts");
        await t.shot("charts");
        await page.getByRole("button", { name: "Table", exact: true }).click();
        await page.locator(".chart-table tbody tr").first().waitFor();
        await t.axe();
        await page.getByRole("button", { name: "7 d", exact: true }).click();
        await t.goto("/");
    });
}

export default async function supervision(t) {
    if (process.argv.includes("--mock")) return;
    load({
        crasher: '[app]\nid = "crasher"\nshell = true\ncommand = "echo \\"error: no disk $$\\" >&2; exit 7"\n[restart]\ndelay = "10ms"\nmax_restarts = 2\n',
        notready: '[app]\nid = "notready"\ncommand = "sleep 1000"\nautostart = false\n[ready]\nexec = "echo still warming up; false"\ntimeout = "10m"\n',
        needy: '[app]\nid = "needy"\ncommand = "sleep 1000"\nrequires = ["notready"]\nautostart = false\n',
        nightly: '[app]\nid = "nightly"\ntype = "oneshot"\ncommand = "true"\n[schedule]\ncron = "17 3 * * *"\n',
        many: '[app]\nid = "many"\ncommand = "sleep 1000"\ninstances = 2\n',
    });
    await crashes(t);
    await waiting(t);
    await instances(t);
    await charts(t);
    await t.check("supervision: its apps can be forgotten", async () => {
        berth("stop", "many");
        berth("clean", "crasher", "notready", "needy", "nightly", "many");
    });
}
