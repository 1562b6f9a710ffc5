// What happens around the views: who is signed in, and the live link that lasts as long as that.
import { signal } from "@preact/signals";
import { api, Problem, setCsrf, setSignedOutHandler } from "./api";
import { withoutBase } from "./base";
import { LiveLink } from "./live";
import { notices, notify, toasts, unread } from "./notify";
import { navigate, route } from "./router";
import { fleet, selection, session, setupRequired } from "./state";
import type { Session } from "./types";

export type Overlay = "none" | "palette" | "help" | "notices" | "password";
export const overlay = signal<Overlay>("none");

export const live = new LiveLink(fleet, () => void checkSession());

export function signedIn(found: Session): void {
    setCsrf(found.csrf);
    session.value = found;
    setupRequired.value = false;
    live.start();
    if (route.peek().page === "login" || route.peek().page === "setup") {
        const next = new URLSearchParams(location.search).get("next") ?? "/";
        // Only a path of our own: "//elsewhere" would be another site.
        navigate(/^\/(?![/\\])/.test(next) ? next : "/", true);
    }
}

/** `keepPlace`: log in again leads back to the page that was open. */
export function signedOut(keepPlace: boolean): void {
    if (session.peek() === null) return;
    live.stop();
    setCsrf("");
    session.value = null;
    fleet.reset();
    selection.value = new Set();
    toasts.value = [];
    notices.value = [];
    unread.value = 0;
    overlay.value = "none";
    const page = route.peek().page;
    if (page === "setup") return;
    if (setupRequired.peek()) navigate("/setup", true);
    else if (page !== "login") {
        const here = withoutBase(location.pathname) + location.search;
        navigate(here === "/" || !keepPlace ? "/login" : `/login?next=${encodeURIComponent(here)}`, true);
    }
}

/** At the start and after a lost connection. A controller that does not answer ends no session. */
export async function checkSession(): Promise<void> {
    try {
        const found = await api.session();
        if (session.peek()) {
            setCsrf(found.csrf);
            session.value = found;
        } else signedIn(found);
    } catch (error) {
        const problem = error as Problem;
        if (problem.status === 401) {
            setupRequired.value = problem.setupRequired;
            signedOut(true);
        } else if (session.peek() === undefined) {
            setTimeout(() => void checkSession(), 2000);
        }
    }
}

export async function logOut(): Promise<void> {
    try {
        await api.logOut();
    } catch (error) {
        const problem = error as Problem;
        if (problem.status !== 401) return notify("error", `Log out: ${problem.title}`, problem.detail);
    }
    signedOut(false);
}

export function startPanel(): void {
    setSignedOutHandler(() => signedOut(true));
    void checkSession();
}
