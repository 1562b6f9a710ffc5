import { useEffect, useState } from "preact/hooks";
import { api } from "../api";
import { ago, fullTime } from "../format";
import { now } from "../state";
import type { App, AppKey, Crash, Crashes } from "../types";
import { Text } from "../ui/text";

function Bundle({ crash }: { crash: Crash }) {
    return (
        <details>
            <summary>
                run {crash.generation}, <time dateTime={crash.time} title={fullTime(crash.time)}>{ago(crash.time, now.value)}</time>: <Text>{crash.how}</Text>
            </summary>
            <pre class="explanation" tabIndex={0} aria-label={`Last lines of run ${crash.generation}`}>
                {(crash.bundle.lines ?? []).map((line) => `${line.stream === "stderr" ? "err " : "    "}${line.text}`).join("\n") || "It wrote nothing."}
            </pre>
        </details>
    );
}

/** Ends that nobody asked for, alike ones together. Nothing at all while there are none. */
export function CrashList({ app, app_key }: { app: App; app_key: AppKey }) {
    const [crashes, setCrashes] = useState<Crashes | null>(null);
    useEffect(() => {
        let current = true;
        api.crashes(app_key).then((found) => current && setCrashes(found), () => {});
        return () => {
            current = false;
        };
    }, [app_key, app.finished]);
    if (!crashes || crashes.groups.length === 0) return null;
    return (
        <section class="card crashes">
            <h2>Crashes</h2>
            <ol class="crash-groups">
                {crashes.groups.slice(0, 10).map((group) => (
                    <li key={group.signature}>
                        <p><strong class="num">{group.count}×</strong> <span class="mono"><Text>{group.signature}</Text></span></p>
                        <p class="muted">last <time dateTime={group.last} title={fullTime(group.last)}>{ago(group.last, now.value)}</time></p>
                        {crashes.crashes.filter((crash) => crash.signature === group.signature).slice(0, 3).map((crash) => (
                            <Bundle key={crash.generation} crash={crash} />
                        ))}
                    </li>
                ))}
            </ol>
        </section>
    );
}
