// History routes. The filter of a list is part of its address, so that a link shows what its sender saw.
import { computed, signal } from "@preact/signals";
import { href, withoutBase } from "./base";
import pages from "./pages.json";
import type { AppKey } from "./types";

export type Route =
    | { page: "apps" }
    | { page: "app"; agent: string; id: string }
    | { page: "agents" }
    | { page: "traffic"; agent: string }
    | { page: "setup" }
    | { page: "login" }
    | { page: "unknown" };

/** The parameters of a pattern such as "/apps/{agent}/{id}" in an address, or null when it is another. */
function match(pattern: string, parts: string[]): Record<string, string> | null {
    const wanted = pattern.split("/").filter(Boolean);
    if (wanted.length !== parts.length) return null;
    const params: Record<string, string> = {};
    for (const [i, part] of wanted.entries()) {
        const given = parts[i] ?? "";
        if (part.startsWith("{")) params[part.slice(1, -1)] = given;
        else if (part !== given) return null;
    }
    return params;
}

/** The controller reads the same table: at other addresses it says that nothing is there. */
export function parseRoute(path: string): Route {
    const parts = path.split("/").filter(Boolean).map(decodePart);
    for (const [pattern, page] of Object.entries(pages)) {
        const params = match(pattern, parts);
        if (params) return { page, ...params } as Route;
    }
    return { page: "unknown" };
}

function decodePart(part: string): string {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

const present = () => ({ path: withoutBase(location.pathname), search: location.search, hash: location.hash });
const here = signal(present());

export const route = computed(() => parseRoute(here.value.path));
export const fragment = computed(() => new URLSearchParams(here.value.hash.slice(1)));
export const query = computed(() => new URLSearchParams(here.value.search));

function sync(): void {
    here.value = present();
}

/** `to`: without the base. */
export function navigate(to: string, replace = false): void {
    const before = location.pathname;
    history[replace ? "replaceState" : "pushState"](null, "", href(to));
    sync();
    if (location.pathname !== before) scrollTo(0, 0);
}

/** Sets or removes (empty value) parameters of the present page without a new history entry. */
export function setQuery(changes: Record<string, string>): void {
    const next = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
        if (value) next.set(name, value);
        else next.delete(name);
    }
    const text = next.toString();
    navigate(here.peek().path + (text ? `?${text}` : ""), true);
}

/** The page of an app, for navigate(). */
export function appPage(key: AppKey): string {
    const slash = key.indexOf("/");
    return `/apps/${encodeURIComponent(key.slice(0, slash))}/${encodeURIComponent(key.slice(slash + 1))}`;
}

export function appHref(key: AppKey): string {
    return href(appPage(key));
}

/** Plain clicks on links of our own stay in the page; everything else is the browser's. */
function onClick(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
    const path = withoutBase(link.pathname);
    if (path.startsWith("/api/")) return;
    event.preventDefault();
    navigate(path + link.search + link.hash);
}

export function startRouter(): void {
    addEventListener("popstate", sync);
    document.addEventListener("click", onClick);
}
