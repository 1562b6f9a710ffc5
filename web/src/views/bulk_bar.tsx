import { actAll, blocked, bulkReport, VERBS } from "../actions";
import { count } from "../format";
import { fleet, mayAct, selection } from "../state";
import { Button, IconButton } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Text } from "../ui/text";

function Report() {
    const report = bulkReport.value;
    if (!report) return null;
    const done = report.results.filter((result) => result.ok).length;
    return (
        <div class="bulk-report" role="status">
            <div class="bulk-report-head">
                <strong>{report.verb.label}: {done} of {report.results.length} done</strong>
                <IconButton icon="close" label="Close the results" onClick={() => (bulkReport.value = null)} />
            </div>
            <ul>
                {report.results.map((result) => (
                    <li key={result.app} class={result.ok ? "ok" : "bad"}>
                        <Icon name={result.ok ? "check" : "warn"} label={result.ok ? "done" : "failed"} />
                        <span class="mono">{result.app}</span>
                        {result.error && <span class="muted"><Text>{result.error}</Text></span>}
                        {result.already && <span class="muted">{report.verb.name === "start" ? "ran already" : "was down already"}</span>}
                    </li>
                ))}
            </ul>
        </div>
    );
}

export function BulkBar() {
    const keys = [...selection.value].filter((key) => fleet.app(key).value);
    const clear = () => {
        selection.value = new Set();
        bulkReport.value = null;
    };
    return (
        <div class="bulk" role="region" aria-label="Selected apps">
            <Report />
            <div class="bulk-bar">
                <strong class="num">{count(keys.length, "app")} selected</strong>
                {mayAct.value && VERBS.filter((verb) => verb.bulk).map((verb) => (
                    <Button key={verb.name} icon={verb.icon} disabled={keys.some((key) => blocked(verb, key))} onClick={() => actAll(verb.name, keys)}>
                        {verb.label}
                    </Button>
                ))}
                <IconButton icon="close" label="Clear the selection" onClick={clear} />
            </div>
        </div>
    );
}
