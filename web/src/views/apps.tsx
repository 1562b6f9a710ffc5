import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { href } from "../base";
import { arrange, matchesButState, readFilter, type ListFilter } from "../filter";
import { count } from "../format";
import { navigate, query, setQuery } from "../router";
import { fleet, mayAct, selection } from "../state";
import { STATES, type AppKey, type State } from "../types";
import { Button, Empty, Search } from "../ui/controls";
import { StateMark } from "../ui/state_mark";
import { AppTable } from "./app_table";
import { BulkBar } from "./bulk_bar";

/** Rows in the document at first; scrolling to the end adds as many. */
const LUMP = 150;

/** Keeps its identity while nothing moved, so that new metrics do not rebuild the table. */
function useArranged(): { value: AppKey[] } {
    const last = useRef<AppKey[]>([]);
    return useComputed(() => {
        const next = arrange(fleet.list.value, readFilter(query.value));
        const same = next.length === last.current.length && next.every((key, i) => key === last.current[i]);
        if (!same) last.current = next;
        return last.current;
    });
}

function StateFilter({ filter }: { filter: ListFilter }) {
    const counts = new Map<State, number>();
    const within = fleet.list.value.filter((app) => matchesButState(app, filter));
    for (const app of within) counts.set(app.state, (counts.get(app.state) ?? 0) + 1);
    const toggle = (state: State) => {
        const next = filter.states.includes(state)
            ? filter.states.filter((other) => other !== state)
            : [...filter.states, state];
        setQuery({ state: next.join(",") });
    };
    return (
        <div class="chips" role="group" aria-label="Filter by state">
            <button type="button" class="chip" aria-pressed={filter.states.length === 0}
                onClick={() => setQuery({ state: "" })}>
                <span>All</span><span class="chip-count num">{within.length}</span>
            </button>
            {STATES.filter((state) => counts.has(state) || filter.states.includes(state)).map((state) => (
                <button key={state} type="button" class="chip" aria-pressed={filter.states.includes(state)}
                    onClick={() => toggle(state)}>
                    <StateMark state={state} /><span class="chip-count num">{counts.get(state) ?? 0}</span>
                </button>
            ))}
        </div>
    );
}

function Toolbar({ filter }: { filter: ListFilter }) {
    const tags = [...new Set(fleet.list.value.flatMap((app) => app.tags))].sort();
    return (
        <div class="toolbar">
            <Search id="app-search" label="Search apps" value={filter.text}
                onInput={(value) => setQuery({ q: value })}
                onKeyDown={(event) => {
                    if (event.key === "Escape" && filter.text) {
                        setQuery({ q: "" });
                        event.stopPropagation();
                    } else if (event.key === "Enter" || event.key === "ArrowDown") {
                        document.querySelector<HTMLElement>("[data-row-link]")?.focus();
                        event.preventDefault();
                    }
                }} />
            {fleet.agents.value.length > 1 && (
                <select aria-label="Agent" value={filter.agent}
                    onChange={(event) => setQuery({ agent: event.currentTarget.value })}>
                    <option value="">All agents</option>
                    {fleet.agents.value.map(({ name }) => <option key={name} value={name}>{name}</option>)}
                </select>
            )}
            {tags.length > 0 && (
                <select aria-label="Tag" value={filter.tag}
                    onChange={(event) => setQuery({ tag: event.currentTarget.value })}>
                    <option value="">All tags</option>
                    {tags.map((tag) => <option key={tag} value={tag}>{tag}</option>)}
                </select>
            )}
        </div>
    );
}

function NothingHere({ filter }: { filter: ListFilter }) {
    if (fleet.agents.value.length === 0) {
        return <Empty title="No agent yet" command="berth up"
            text="An agent supervises the apps of one directory. This starts one on this machine and joins it." />;
    }
    if (fleet.keys.value.length === 0) {
        return <Empty title="No apps yet" command="berth load ./berth.toml"
            text="An app is a program with a descriptor. Load one, and it appears here at once." />;
    }
    const filtered = filter.text || filter.states.length > 0 || filter.agent || filter.tag;
    return (
        <div class="empty">
            <h2>No app matches</h2>
            <p>{count(fleet.keys.value.length, "app")} in all{filtered ? ", none with this filter." : "."}</p>
            <Button onClick={() => navigate("/")}>Clear the filter</Button>
        </div>
    );
}

function Summary() {
    const apps = fleet.list.value;
    const running = apps.filter((app) => app.state === "running").length;
    const bad = apps.filter((app) => app.state === "failed" || app.state === "backoff").length;
    const stale = apps.filter((app) => app.stale).length;
    const agents = fleet.agents.value.filter((agent) => agent.error).length;
    return (
        <span class="muted summary">
            {running} of {apps.length} running
            {bad > 0 && <>, <a href={href("/?state=backoff,failed")}>{bad} in trouble</a></>}
            {stale > 0 && `, ${stale} last known`}
            {agents > 0 && <>, <a href={href("/agents")}>{count(agents, "agent")} in trouble</a></>}
        </span>
    );
}

function Skeleton() {
    return (
        <div class="skeleton" role="status" aria-label="Loading the apps">
            {Array.from({ length: 6 }, (_, i) => <div key={i} />)}
        </div>
    );
}

export function AppsView() {
    const filter = readFilter(query.value);
    const arranged = useArranged();
    const limit = useSignal(LUMP);
    const end = useRef<HTMLDivElement>(null);
    const keys = arranged.value;
    const more = keys.length > limit.value;
    useEffect(() => {
        const target = end.current;
        if (!target) return;
        const observer = new IntersectionObserver((entries) => {
            if (entries.some((entry) => entry.isIntersecting)) limit.value += LUMP;
        }, { rootMargin: "600px" });
        observer.observe(target);
        return () => observer.disconnect();
    }, [more, limit.value]);
    return (
        <div class="page">
            <div class="page-head">
                <h1>Apps</h1>
                {fleet.keys.value.length > 0 && <Summary />}
            </div>
            {(fleet.keys.value.length > 0 || !fleet.loaded.value) && <Toolbar filter={filter} />}
            {fleet.loaded.value ? (
                <>
                    {fleet.keys.value.length > 0 && <StateFilter filter={filter} />}
                    {keys.length > 0
                        ? <AppTable keys={keys.slice(0, limit.value)} all={keys} filter={filter} />
                        : <NothingHere filter={filter} />}
                    {more && <div ref={end} class="more muted">{keys.length - limit.value} more…</div>}
                </>
            ) : <Skeleton />}
            {mayAct.value && selection.value.size > 0 && <BulkBar />}
        </div>
    );
}
