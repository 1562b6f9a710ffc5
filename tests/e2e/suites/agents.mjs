import { assert, equal } from "../lib/harness.mjs";

/** Changes every frame of the stream that carries agents or apps. */
async function rewritten(t, change) {
    const page = await t.context.newPage();
    await page.routeWebSocket("**/api/v1/live", (socket) => {
        const server = socket.connectToServer();
        socket.onMessage((text) => server.send(text));
        server.onMessage((text) => socket.send(JSON.stringify(change(JSON.parse(text)))));
    });
    return page;
}

function away(frame) {
    for (const agent of frame.agents ?? []) {
        if (agent.name !== "lab") continue;
        Object.assign(agent, { state: "unreachable", error: "no heartbeat for 10 s", last_seen: new Date(Date.now() - 65_000).toISOString() });
    }
    for (const app of frame.apps ?? []) if (app.agent === "lab") app.stale = true;
    return frame;
}

function hanging(frame) {
    for (const agent of frame.agents ?? []) if (agent.name === "lab") agent.error = "the keeper (pid 7) does not answer";
    return frame;
}

export default async function agents(t) {
    const { page } = t;
    await t.check("agents: both, with state, endpoint and version", async () => {
        await t.goto("/agents");
        await page.getByRole("heading", { name: "lab" }).waitFor();
        const card = page.locator(".agent-card", { hasText: "default" }).first();
        equal(await card.locator(".state-word").textContent(), "connected", "the state");
        const text = await card.innerText();
        for (const word of ["Endpoint", "Last seen", "Version"]) assert(text.includes(word), `no ${word}`);
    });
    await t.check("agents: accessible", async () => {
        await t.shot("agents-light");
        await t.axe();
    });
    await t.check("agents: a card leads to its apps", async () => {
        await page.locator(".agent-card", { hasText: "lab" }).locator(".agent-apps").click();
        await page.waitForURL("**/?agent=lab");
        await page.locator('tr[data-app="lab/sensor"]').waitFor();
    });
    await t.check("agents: one that is away says since when and why", async () => {
        const other = await rewritten(t, away);
        await t.goto("/agents", other);
        await other.getByText("no heartbeat for 10 s").waitFor();
        // Another agent may be just as old by now: the one that is away is looked at.
        await other.locator(".agent-card", { hasText: "no heartbeat for 10 s" }).getByText(/1m \d\ds ago/).first().waitFor();
        await t.shot("agents-away", other);
        await t.axe(other);
        await other.close();
    });
    await t.check("agents: one whose keeper hangs is told with its apps, and says why", async () => {
        const other = await rewritten(t, hanging);
        await t.goto("/", other);
        await other.getByRole("link", { name: "1 agent in trouble" }).click();
        await other.getByText("all connected, 1 in trouble").waitFor();
        await other.locator(".agent-card", { hasText: "lab" }).getByText("the keeper (pid 7) does not answer").waitFor();
        await t.axe(other);
        await other.close();
    });
    await t.check("agents: its apps are marked as last known, and cannot be acted on", async () => {
        const other = await rewritten(t, away);
        await t.goto("/apps/lab/sensor", other);
        await other.getByText(/This is what it said last/).waitFor();
        assert(await other.getByRole("button", { name: "Stop", exact: true }).isDisabled(), "Stop is enabled");
        await t.shot("app-stale", other);
        await t.goto("/", other);
        await other.locator('tr[data-app="lab/sensor"]').getByText("last known").waitFor();
        await t.axe(other);
        await other.close();
    });
    await t.check("empty: no apps shows the command to copy", async () => {
        const other = await rewritten(t, (frame) => ({ ...frame, apps: frame.apps ? [] : undefined }));
        await t.goto("/", other);
        await other.getByText("berth load ./berth.toml", { exact: true }).waitFor();
        await other.getByRole("button", { name: /^Copy/ }).click();
        await other.getByText("Copied").waitFor();
        await t.shot("empty", other);
        await t.axe(other);
        await other.close();
    });
}
