import { useEffect, useState } from "preact/hooks";
import { act, blocked, VERBS } from "../actions";
import { api } from "../api";
import { href } from "../base";
import { ago, bytes, duration, percent, until } from "../format";
import { fleet, mayAct, now } from "../state";
import type { App, AppKey, Explanation } from "../types";
import { Button, Command, Empty } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Spark } from "../ui/spark";
import { StateMark } from "../ui/state_mark";
import { Text } from "../ui/text";
import { Facts, HistoryList } from "./app_facts";
import { Charts } from "./charts";
import { CrashList } from "./crashes";
import { Instances } from "./instances";
import { PendingMark, Uptime } from "./app_table";
import { LogPanel } from "./log_panel";
import { MessagesPanel } from "./messages";
import { Stdin } from "./stdin";

/** The agent's own account of the state, asked for again whenever the state changes. */
function useExplanation(app: App, key: AppKey): Explanation | null {
    const [why, setWhy] = useState<Explanation | null>(null);
    useEffect(() => {
        let current = true;
        api.explain(key).then(
            (found) => current && setWhy(found),
            // The one-sentence reason of the stream stays; an agent that is away has said no more.
            () => current && setWhy(null),
        );
        return () => {
            current = false;
        };
    }, [key, app.state, app.since, app.check]);
    return why;
}

const TONE: Partial<Record<App["state"], string>> = { failed: "bad", backoff: "warn", running: "good" };

function Reason({ app, app_key }: { app: App; app_key: AppKey }) {
    const why = useExplanation(app, app_key);
    return (
        <section class={`reason reason-${TONE[app.state] ?? "calm"}`} aria-label="Why it is in this state">
            <div class="reason-head">
                <StateMark state={app.state} />
                <span class="muted">for {duration(now.value - Date.parse(app.since))}</span>
                <PendingMark app={app_key} />
            </div>
            <p class="reason-text"><Text>{app.reason || "No reason was recorded."}</Text></p>
            {app.state === "backoff" && <p class="num">Next try {until(app.next_try, now.value)}.</p>}
            {app.next_run && <p class="num">Next run by its schedule {until(app.next_run, now.value)}.</p>}
            {why && (
                <details open={app.state === "failed" || app.state === "waiting"}>
                    <summary>Explain</summary>
                    <div class="explanation-body">
                        {why.evidence.length > 0 && <ul>{why.evidence.map((text) => <li key={text}><Text>{text}</Text></li>)}</ul>}
                        {why.actor && <p>Asked for by <Text>{why.actor}</Text>.</p>}
                        {why.next && <p>What comes next: <Text>{why.next}</Text>.</p>}
                        {why.lines.length > 0 && (
                            <pre class="explanation" tabIndex={0} aria-label="Its last lines">{why.lines.join("\n")}</pre>
                        )}
                    </div>
                </details>
            )}
        </section>
    );
}

function Actions({ app, app_key }: { app: App; app_key: AppKey }) {
    if (!mayAct.value) return <p class="muted">You may look, not touch: your role is viewer.</p>;
    const main = app.active || app.state === "backoff" || app.state === "waiting" ? "restart" : "start";
    return (
        <div class="actions" role="group" aria-label="Actions">
            {VERBS.map((verb) => (
                <Button key={verb.name} icon={verb.icon} disabled={blocked(verb, app_key) || app.stale || !verb.allowed(app)}
                    kind={verb.name === main ? "primary" : undefined}
                    onClick={() => act(verb.name, app_key)}>{verb.label}</Button>
            ))}
        </div>
    );
}

function Notes({ app }: { app: App }) {
    const agent = fleet.agents.value.find(({ name }) => name === app.agent);
    const lost = app.active && agent?.state !== "stopped";
    return (
        <>
            {app.stale && (
                <div class="note note-warn" role="status">
                    <Icon name="warn" />
                    <span>
                        Agent <a href={href("/agents")}>{app.agent}</a> is {agent?.state ?? "away"}, last
                        seen {ago(agent?.last_seen ?? null, now.value)}. This is what it said last
                        {lost ? "; the app keeps running without it." : app.active ? "." : ": the app did not run then."}
                    </span>
                </div>
            )}
            {app.changed_on_disk && (
                <div class="note">
                    <Icon name="clock" />
                    <span>It runs with an older descriptor than the one that is registered. A restart takes the new one:</span>
                    <Command text={`berth restart ${app.id}`} />
                </div>
            )}
            {app.log_note && (
                <div class="note note-warn" role="status">
                    <Icon name="warn" />
                    <span><bdi>{app.log_note}</bdi></span>
                </div>
            )}
            {app.descriptor_note && (
                <div class="note note-warn" role="status">
                    <Icon name="warn" />
                    <span><bdi>{app.descriptor_note}</bdi></span>
                </div>
            )}
        </>
    );
}

function Metrics({ app, app_key }: { app: App; app_key: AppKey }) {
    const { cpu, rss } = fleet.samplesOf(app_key);
    return (
        <div class="metrics">
            <div class="metric">
                <span class="metric-name">CPU</span><span class="metric-value num">{percent(app.cpu_percent)}</span>
                <Spark values={cpu} floor={25} label={`CPU, last ${cpu.length} samples`} />
            </div>
            <div class="metric">
                <span class="metric-name">Memory</span><span class="metric-value num">{bytes(app.rss_bytes)}</span>
                <Spark values={rss} floor={8 << 20} label={`Memory, last ${rss.length} samples`} />
            </div>
            <div class="metric">
                <span class="metric-name">Uptime</span><span class="metric-value num"><Uptime app={app} /></span>
            </div>
            <div class="metric">
                <span class="metric-name">Restarts</span><span class="metric-value num">{app.restarts}</span>
            </div>
        </div>
    );
}

export function AppView({ app: key }: { app: AppKey }) {
    const app = fleet.app(key).value;
    if (!app) {
        if (!fleet.loaded.value) return <div class="opening" role="status">Loading {key}…</div>;
        return <Empty title={`No app ${key}`} command="berth list"
            text="It was removed, or never loaded. This lists what the agent knows." />;
    }
    return (
        <div class="page app-page">
            <div class="app-head">
                <nav class="crumbs" aria-label="Where you are">
                    <a href={href("/")}>Apps</a><Icon name="right" />
                    <a href={href(`/?agent=${encodeURIComponent(app.agent)}`)}>{app.agent}</a>
                </nav>
                <h1><Text>{app.name}</Text>{app.tags.map((tag) => <span key={tag} class="tag"><Text>{tag}</Text></span>)}</h1>
                {app.comment && <p class="muted comment-text"><Text>{app.comment}</Text></p>}
                <Actions app={app} app_key={key} />
                <Instances app={app} />
            </div>
            <Notes app={app} />
            <div class="app-top">
                <Reason app={app} app_key={key} />
                <Metrics app={app} app_key={key} />
            </div>
            <div class="app-main">
                <div class="app-log">
                    <LogPanel app={key} name={app.name} away={app.stale ? app.agent : ""} stdin={(echo) => <Stdin app={app} app_key={key} echo={echo} />} />
                    <MessagesPanel app={app} app_key={key} />
                </div>
                <aside class="app-side" aria-label="Details">
                    <CrashList app={app} app_key={key} />
                    <Charts app_key={key} />
                    <Facts app={app} />
                    <HistoryList app={app} app_key={key} />
                </aside>
            </div>
        </div>
    );
}
