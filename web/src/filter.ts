// Which apps a list shows, and in which order. Read from the address and written to it.
import { STATES, keyOf, type App, type AppKey, type State } from "./types";

export const SORTS = ["name", "state", "agent", "cpu", "memory", "uptime", "restarts"] as const;
export type Sort = (typeof SORTS)[number];

export interface ListFilter {
    text: string;
    states: State[];
    agent: string;
    tag: string;
    sort: Sort;
    descending: boolean;
}

export function readFilter(query: URLSearchParams): ListFilter {
    const sort = query.get("sort") ?? "";
    const name = sort.replace(/^-/, "") as Sort;
    return {
        text: query.get("q") ?? "",
        states: STATES.filter((state) => (query.get("state") ?? "").split(",").includes(state)),
        agent: query.get("agent") ?? "",
        tag: query.get("tag") ?? "",
        sort: SORTS.includes(name) ? name : "name",
        descending: sort.startsWith("-"),
    };
}

/** Every word must be found somewhere in what identifies the app. */
function matchesText(app: App, text: string): boolean {
    const haystack = [app.id, app.name, app.agent, app.comment, app.command, app.state, ...app.tags]
        .join("\n").toLowerCase();
    return text.toLowerCase().split(/\s+/).every((word) => haystack.includes(word));
}

export function matches(app: App, filter: ListFilter): boolean {
    if (filter.states.length > 0 && !filter.states.includes(app.state)) return false;
    return matchesButState(app, filter);
}

/** What the counts beside the states are taken over. */
export function matchesButState(app: App, filter: ListFilter): boolean {
    if (filter.agent && app.agent !== filter.agent) return false;
    if (filter.tag && !app.tags.includes(filter.tag)) return false;
    return matchesText(app, filter.text);
}

function sortValue(app: App, sort: Sort): number | string {
    switch (sort) {
        case "name": return app.name.toLowerCase();
        case "state": return STATES.indexOf(app.state);
        case "agent": return app.agent;
        // Biggest first is what one wants to see of a number.
        case "cpu": return -(app.cpu_percent ?? -1);
        case "memory": return -(app.rss_bytes ?? -1);
        case "uptime": return app.active && app.started ? Date.parse(app.started) : Infinity;
        case "restarts": return -app.restarts;
    }
}

export function arrange(apps: readonly App[], filter: ListFilter): AppKey[] {
    const order = filter.descending ? -1 : 1;
    return apps
        .filter((app) => matches(app, filter))
        .map((app) => ({ key: keyOf(app), value: sortValue(app, filter.sort), name: app.name.toLowerCase() }))
        .sort((a, b) => {
            const byValue = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
            return byValue * order || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.key < b.key ? -1 : 1);
        })
        .map(({ key }) => key);
}
