// Keys that work on every page.
import { overlay } from "./panel";
import { navigate } from "./router";
import { session } from "./state";

export const KEYS: readonly (readonly [string, string])[] = [
    ["/", "Search in this page"],
    ["Ctrl K", "Apps, actions and pages by name; on a Mac ⌘ K"],
    ["j  k", "Next and previous app in the list"],
    ["Enter", "Open the app"],
    ["x", "Select or unselect the app"],
    ["g a", "Go to the apps"],
    ["g g", "Go to the agents"],
    ["?", "This help"],
    ["Esc", "Close, or clear the search"],
];

const SEQUENCE_MS = 1000;
let lead = { key: "", at: 0 };

function typing(target: EventTarget | null): boolean {
    return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null
        && !(target instanceof HTMLInputElement && target.type === "checkbox");
}

function focusSearch(): boolean {
    const field = document.querySelector<HTMLInputElement>("[data-search]");
    field?.focus();
    field?.select();
    return field !== null;
}

/** Moves the real focus along the links of the list, so that Enter and screen readers need no help from us. */
function moveInList(step: number): boolean {
    const links = [...document.querySelectorAll<HTMLElement>("[data-row-link]")];
    const at = links.findIndex((link) => link === document.activeElement);
    const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
    return next !== undefined;
}

function toggleSelected(): boolean {
    const box = document.activeElement?.closest("tr")?.querySelector<HTMLInputElement>("input[type=checkbox]");
    box?.click();
    return box !== null && box !== undefined;
}

function sequence(event: KeyboardEvent): boolean {
    const ledBy = Date.now() - lead.at < SEQUENCE_MS ? lead.key : "";
    lead = { key: event.key, at: Date.now() };
    if (ledBy !== "g" || (event.key !== "a" && event.key !== "g")) return false;
    lead.key = "";
    navigate(event.key === "a" ? "/" : "/agents");
    return true;
}

function plainKey(event: KeyboardEvent): boolean {
    if (sequence(event)) return true;
    switch (event.key) {
        case "/": return focusSearch();
        case "?": overlay.value = "help"; return true;
        case "j": return moveInList(1);
        case "k": return moveInList(-1);
        case "x": return toggleSelected();
        default: return false;
    }
}

function onKey(event: KeyboardEvent): void {
    if (!session.peek() || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
        overlay.value = overlay.peek() === "palette" ? "none" : "palette";
        event.preventDefault();
        return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
        if (overlay.peek() !== "none") overlay.value = "none";
        else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
        return;
    }
    if (!typing(event.target) && plainKey(event)) event.preventDefault();
}

export function startKeys(): void {
    document.addEventListener("keydown", onKey);
}
