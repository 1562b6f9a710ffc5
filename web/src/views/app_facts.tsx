import { useEffect, useState } from "preact/hooks";
import { api } from "../api";
import { ago, fullTime } from "../format";
import { now } from "../state";
import type { App, AppDetails, AppKey } from "../types";
import { StateMark } from "../ui/state_mark";
import { Text } from "../ui/text";

function lastExit(app: App): string | null {
    if (app.signal) return app.signal;
    return app.exit_code === null ? null : `code ${app.exit_code}`;
}

export function Facts({ app }: { app: App }) {
    const facts: [string, string | null][] = [
        ["Id", app.id],
        ["Pid", app.pid === null ? null : String(app.pid)],
        ["Processes", app.processes === null ? null : String(app.processes)],
        ["Wanted", app.desired],
        ["Started", app.started && fullTime(app.started)],
        ["Finished", app.finished && fullTime(app.finished)],
        ["Last exit", lastExit(app)],
        ["Command", app.command],
        ["Path", app.path],
        ["Descriptor", app.descriptor],
        ["Backend", app.backend_id ? `${app.backend} ${app.backend_id}` : app.backend],
        ["Terminal", app.tty ? "yes" : null],
        ["Check", app.check || null],
        ["It says", app.said || null],
        ["Schedule", app.schedule || null],
        ["Limits", app.limits.map(({ name, value, by }) => `${name} ${value} (${by})`).join(", ") || null],
    ];
    return (
        <section class="card">
            <h2>Details</h2>
            <dl class="facts">
                {facts.map(([name, value]) => value && (
                    <div key={name}><dt>{name}</dt><dd class="mono"><Text>{value}</Text></dd></div>
                ))}
            </dl>
        </section>
    );
}

function useDetails(app: App, key: AppKey): AppDetails | null {
    const [details, setDetails] = useState<AppDetails | null>(null);
    useEffect(() => {
        let current = true;
        api.details(key).then(
            (found) => current && setDetails(found),
            // What is shown stays: the stream still says what the app does now.
            () => {},
        );
        return () => {
            current = false;
        };
    }, [key, app.since, app.state]);
    return details;
}

export function HistoryList({ app, app_key }: { app: App; app_key: AppKey }) {
    const details = useDetails(app, app_key);
    if (!details) return null;
    const history = [...details.history].sort((a, b) => Date.parse(b.time) - Date.parse(a.time)).slice(0, 20);
    return (
        <>
            <section class="card">
                <h2>History</h2>
                {history.length === 0 && <p class="muted">No change of state yet.</p>}
                <ol class="history" tabIndex={0} aria-label="States it was in, newest first">
                    {history.map((entry) => (
                        <li key={`${entry.time} ${entry.state}`}>
                            <StateMark state={entry.state} />
                            <time dateTime={entry.time} title={fullTime(entry.time)}>{ago(entry.time, now.value)}</time>
                            <p><Text>{entry.reason}</Text></p>
                        </li>
                    ))}
                </ol>
            </section>
            <section class="card">
                <details>
                    <summary><h2>Descriptor</h2></summary>
                    <pre class="spec" tabIndex={0} aria-label="Descriptor as loaded"><Text>{JSON.stringify(details.spec, null, 2)}</Text></pre>
                </details>
            </section>
        </>
    );
}
