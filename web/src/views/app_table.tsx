import { memo } from "../ui/memo";
import { act, blocked, VERBS } from "../actions";
import type { ListFilter, Sort } from "../filter";
import { bytes, NONE, percent, since, until } from "../format";
import { appHref, setQuery } from "../router";
import { fleet, mayAct, now, selection } from "../state";
import type { App, AppKey } from "../types";
import { IconButton } from "../ui/controls";
import { StateMark } from "../ui/state_mark";
import { Line } from "../ui/text";
import { verb } from "../actions";

function select(keys: readonly AppKey[], on: boolean): void {
    const next = new Set(selection.peek());
    for (const key of keys) {
        if (on) next.add(key);
        else next.delete(key);
    }
    selection.value = next;
}

export function Uptime({ app }: { app: App }) {
    if (!app.active || !app.started) return <>{NONE}</>;
    return <>{since(app.started, now.value)}</>;
}

export function PendingMark({ app }: { app: AppKey }) {
    const mark = fleet.pending.value.get(app);
    if (!mark) return null;
    return <span class="pending" role="status">{verb(mark.verb).doing}…</span>;
}

const HEADS: readonly { sort: Sort; label: string; class: string }[] = [
    { sort: "name", label: "App", class: "col-name" },
    { sort: "state", label: "State", class: "col-state" },
    { sort: "agent", label: "Agent", class: "col-agent" },
    { sort: "cpu", label: "CPU", class: "col-num col-cpu" },
    { sort: "memory", label: "Memory", class: "col-num col-mem" },
    { sort: "uptime", label: "Uptime", class: "col-num col-up" },
    { sort: "restarts", label: "Restarts", class: "col-num col-restarts" },
];

function Head({ filter, all }: { filter: ListFilter; all: readonly AppKey[] }) {
    const chosen = all.filter((key) => selection.value.has(key)).length;
    const onSort = (sort: Sort) => {
        const again = filter.sort === sort && !filter.descending;
        setQuery({ sort: again ? `-${sort}` : sort === "name" ? "" : sort });
    };
    return (
        <thead>
            <tr>
                {mayAct.value && <th class="col-check">
                    <input type="checkbox" aria-label="Select all shown apps" checked={chosen > 0 && chosen === all.length}
                        indeterminate={chosen > 0 && chosen < all.length}
                        onChange={(event) => select(all, event.currentTarget.checked)} />
                </th>}
                {HEADS.map((head) => {
                    const on = filter.sort === head.sort;
                    const order = on ? (filter.descending ? "descending" : "ascending") : undefined;
                    return (
                        <th key={head.sort} class={head.class} aria-sort={order}>
                            <button type="button" onClick={() => onSort(head.sort)}>
                                {head.label}{on && <span class="sort" aria-hidden="true">{filter.descending ? "↑" : "↓"}</span>}
                            </button>
                        </th>
                    );
                })}
                <th class="col-actions"><span class="hidden">Actions</span></th>
            </tr>
        </thead>
    );
}

function Meter({ value }: { value: number | null }) {
    const share = Math.min(1, (value ?? 0) / 100);
    return (
        <svg class="meter" viewBox="0 0 40 4" width="40" height="4" aria-hidden="true">
            <rect width="40" height="4" rx="2" class="meter-all" />
            {share > 0 && <rect width={Math.max(2, 40 * share)} height="4" rx="2" class="meter-used" />}
        </svg>
    );
}

function RowActions({ app, app: { name } }: { app: App }) {
    const key = `${app.agent}/${app.id}`;
    const running = app.active || app.state === "backoff" || app.state === "waiting";
    return (
        <div class="row-actions">
            {VERBS.filter((entry) => entry.bulk && (entry.name === "start" ? !app.active : running)).map((entry) => (
                <IconButton key={entry.name} icon={entry.icon} label={`${entry.label} ${name}`}
                    disabled={blocked(entry, key) || app.stale || !entry.allowed(app)} onClick={() => act(entry.name, key)} />
            ))}
        </div>
    );
}

const Row = memo(function Row({ app: key }: { app: AppKey }) {
    const app = fleet.app(key).value;
    if (!app) return null;
    const chosen = selection.value.has(key);
    return (
        <tr class={`row row-${app.state}${app.stale ? " stale" : ""}${chosen ? " chosen" : ""}`} data-app={key}>
            {mayAct.value && <td class="col-check">
                <input type="checkbox" aria-label={`Select ${app.name}`} checked={chosen}
                    onChange={(event) => select([key], event.currentTarget.checked)} />
            </td>}
            <td class="col-name">
                <a href={appHref(key)} data-row-link><Line>{app.name}</Line></a>
                {app.name !== app.id && <span class="row-id mono">{app.id}</span>}
                {app.tags.map((tag) => <span key={tag} class="tag"><Line>{tag}</Line></span>)}
                {app.changed_on_disk && <span class="tag tag-note" title="Its descriptor changed since it was loaded">changed on disk</span>}
                {app.descriptor_note && <span class="tag tag-note" title={app.descriptor_note}>file changed</span>}
                {app.comment && <span class="comment"><Line>{app.comment}</Line></span>}
            </td>
            <td class="col-state" title={app.reason}>
                <StateMark state={app.state} /><PendingMark app={key} />
                {app.stale && <span class="tag tag-note" title="Its agent is away; this is the last known state">last known</span>}
            </td>
            <td class="col-agent">{app.agent}</td>
            <td class="col-num col-cpu num">{app.active && <Meter value={app.cpu_percent} />}<span class="cpu">{percent(app.cpu_percent)}</span></td>
            <td class="col-num col-mem num">{bytes(app.rss_bytes)}</td>
            <td class="col-num col-up num">
                {app.state === "backoff" ? <>retry {until(app.next_try, now.value)}</> : <Uptime app={app} />}
            </td>
            <td class="col-num col-restarts num">{app.restarts || NONE}</td>
            <td class="col-actions">{mayAct.value && <RowActions app={app} />}</td>
        </tr>
    );
});

export function AppTable({ keys, all, filter }: { keys: readonly AppKey[]; all: readonly AppKey[]; filter: ListFilter }) {
    return (
        <table class="apps">
            <caption class="hidden">Apps of all agents</caption>
            <Head filter={filter} all={all} />
            <tbody>{keys.map((key) => <Row key={key} app={key} />)}</tbody>
        </table>
    );
}
