import { useEffect, useState } from "preact/hooks";
import { api } from "../api";
import { href } from "../base";
import { bytes, clockTime, count, latency, rate, since } from "../format";
import { appHref, query, setQuery } from "../router";
import { now } from "../state";
import type { Mailbox, TraceEntry } from "../types";
import { Empty } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Line } from "../ui/text";

const PACE_MS = 2000;

function MailboxTable({ agent, mailboxes }: { agent: string; mailboxes: Mailbox[] }) {
    return (
        <div class="mail-table" tabIndex={0} role="region" aria-label="Mailboxes">
            <table>
                <thead>
                    <tr>
                        <th scope="col">App</th><th scope="col" class="right">Waiting</th><th scope="col" class="right">Size</th>
                        <th scope="col" class="right">Oldest</th><th scope="col" class="right">In</th><th scope="col" class="right">Out</th>
                        <th scope="col" class="right">Redelivered</th><th scope="col" class="right">Dead</th>
                    </tr>
                </thead>
                <tbody>
                    {mailboxes.map((box) => (
                        <tr key={box.app}>
                            <th scope="row">{box.known ? <a href={appHref(`${agent}/${box.app}`)}>{box.app}</a> : <span>{box.app} <span class="tag">not installed</span></span>}</th>
                            <td class="num right">{box.waiting.toLocaleString("en")}</td>
                            <td class="num right">{bytes(box.bytes)}</td>
                            <td class="num right">{box.oldest ? since(box.oldest, now.value) : "–"}</td>
                            <td class="num right">{rate(box.in_rate)}</td>
                            <td class="num right">{rate(box.out_rate)}</td>
                            <td class="num right">{box.redelivered.toLocaleString("en")}</td>
                            <td class={`num right ${box.dead > 0 ? "outcome-bad" : ""}`}>{box.dead.toLocaleString("en")}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

const TONE: Record<string, string> = { acknowledged: "good", answered: "good", sent: "good", expired: "warn", timed_out: "warn", removed: "warn", refused: "bad", dead: "bad" };

function TraceTable({ entries }: { entries: TraceEntry[] }) {
    return (
        <div class="mail-table trace" tabIndex={0} role="region" aria-label="Trace">
            <table>
                <thead>
                    <tr>
                        <th scope="col">Time</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Outcome</th>
                        <th scope="col" class="right">Given after</th><th scope="col" class="right">Done after</th>
                        <th scope="col" class="right">Size</th><th scope="col">Kind</th><th scope="col" class="right">Id</th>
                    </tr>
                </thead>
                <tbody>
                    {entries.map((entry) => (
                        <tr key={entry.id}>
                            <td class="num">{clockTime(entry.accepted)}</td>
                            <td>{entry.from ? <Line>{entry.from}</Line> : <span class="muted">operator</span>}</td>
                            <td><Line>{entry.to}</Line></td>
                            <td class={`outcome outcome-${TONE[entry.outcome] ?? "calm"}`}>{entry.outcome.replace("_", " ")}</td>
                            <td class="num right">{latency(entry.accepted, entry.given)}</td>
                            <td class="num right">{latency(entry.accepted, entry.ended)}</td>
                            <td class="num right">{bytes(entry.bytes)}</td>
                            <td>{entry.kind}</td>
                            <td class="num right mono">{entry.id}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

/** All mailboxes of an agent, and the last messages between its apps. */
export function TrafficView({ agent }: { agent: string }) {
    const [mailboxes, setMailboxes] = useState<Mailbox[] | null>(null);
    const [entries, setEntries] = useState<TraceEntry[]>([]);
    const [away, setAway] = useState("");
    const app = query.value.get("app") ?? "";
    const turn = Math.floor(now.value / PACE_MS);
    useEffect(() => {
        let current = true;
        Promise.all([api.mailboxes(agent), api.trace(agent, app)]).then(
            ([boxes, trace]) => {
                if (!current) return;
                setMailboxes(boxes.mailboxes);
                setEntries(trace.entries.reverse());
                setAway("");
            },
            (caught: Error) => current && setAway(caught.message),
        );
        return () => {
            current = false;
        };
    }, [agent, app, turn]);
    return (
        <div class="page">
            <nav class="crumbs" aria-label="Where you are"><a href={href("/agents")}>Agents</a><Icon name="right" /><span>{agent}</span></nav>
            <div class="page-head">
                <h1>Traffic</h1>
                <span class="muted">{mailboxes && count(mailboxes.length, "mailbox", "mailboxes")}</span>
            </div>
            {away && <div class="note note-warn" role="status"><Icon name="warn" /><span>{away}</span></div>}
            {mailboxes?.length === 0 && (
                <Empty title="No messages yet" command="berth notify ID MESSAGE"
                    text="Apps send each other messages through their agent. This sends one by hand." />
            )}
            {mailboxes && mailboxes.length > 0 && (
                <>
                    <section class="card"><h2>Mailboxes</h2><MailboxTable agent={agent} mailboxes={mailboxes} /></section>
                    <section class="card">
                        <div class="mail-head">
                            <h2>Last messages</h2>
                            <label>App{" "}
                                <select value={app} onChange={(event) => setQuery({ app: event.currentTarget.value })}>
                                    <option value="">all</option>
                                    {[...new Set([...mailboxes.map((box) => box.app), ...(app ? [app] : [])])].map((id) => <option key={id} value={id}>{id}</option>)}
                                </select>
                            </label>
                        </div>
                        {entries.length > 0 ? <TraceTable entries={entries} /> : <p class="muted">None since the agent started.</p>}
                    </section>
                </>
            )}
        </div>
    );
}
