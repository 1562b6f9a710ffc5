import { useState } from "preact/hooks";
import { act, blocked, VERBS } from "../actions";
import { score } from "../fuzzy";
import { logOut, overlay } from "../panel";
import { appPage, navigate, route } from "../router";
import { fleet, mayAct } from "../state";
import { theme } from "../theme";
import { keyOf, type App } from "../types";
import { Dialog } from "../ui/dialog";
import { Icon, type IconName } from "../ui/icons";
import { Line } from "../ui/text";

interface Entry {
    label: string;
    hint: string;
    icon: IconName;
    /** The app on whose page we are comes first. */
    bonus: number;
    /** It changes something: found after what only leads somewhere, unless its verb is typed. */
    acts: boolean;
    /** Typed as it is, this and nothing else is meant. */
    id?: string;
    run(): void;
}

const SHOWN = 12;

function pageEntries(): Entry[] {
    const go = (label: string, icon: IconName, to: string): Entry =>
        ({ label, hint: "page", icon, bonus: 2, acts: false, run: () => navigate(to) });
    return [
        go("Apps", "apps", "/"),
        go("Agents", "agents", "/agents"),
        go("Apps that failed or back off", "filter", "/?state=failed,backoff"),
        ...(["light", "dark", "auto"] as const).map((name): Entry => ({
            label: `Theme: ${name}`, hint: "setting", icon: name === "light" ? "sun" : name === "dark" ? "moon" : "auto",
            bonus: 0, acts: false, run: () => (theme.value = name),
        })),
        { label: "Keyboard help", hint: "help", icon: "help", bonus: 0, acts: false, run: () => (overlay.value = "help") },
        { label: "Notifications", hint: "page", icon: "bell", bonus: 0, acts: false, run: () => (overlay.value = "notices") },
        { label: "Change password", hint: "session", icon: "key", bonus: 0, acts: false, run: () => (overlay.value = "password") },
        { label: "Log out", hint: "session", icon: "out", bonus: 0, acts: true, run: () => void logOut() },
    ];
}

function appEntries(app: App, current: boolean): Entry[] {
    const key = keyOf(app);
    const where = app.name === app.id ? app.agent : `${app.id} · ${app.agent}`;
    const open: Entry = {
        label: app.name, hint: `${where} · ${app.state}`, icon: "right", bonus: current ? 0 : 3,
        acts: false, id: app.id, run: () => navigate(appPage(key)),
    };
    const verbs = mayAct.value && !app.stale ? VERBS.filter((verb) => verb.allowed(app) && !blocked(verb, key)) : [];
    return [open, ...verbs.map((verb): Entry => ({
        label: `${verb.label} ${app.name}`, hint: where, icon: verb.icon, bonus: current ? 20 : 0,
        acts: true, run: () => act(verb.name, key, verb.name !== "start"),
    }))];
}

/** Whether the text begins with a verb: "stop w", "res". */
function saysVerb(text: string): boolean {
    const first = text.trim().toLowerCase().split(/\s+/)[0] ?? "";
    return first.length > 1 && VERBS.some((verb) => verb.label.toLowerCase().startsWith(first));
}

function find(text: string): Entry[] {
    const at = route.value;
    const here = at.page === "app" ? `${at.agent}/${at.id}` : "";
    const all = [...pageEntries(), ...fleet.list.value.flatMap((app) => appEntries(app, keyOf(app) === here))];
    const typed = text.trim().toLowerCase();
    const verbs = saysVerb(text);
    const rankOf = (entry: Entry) => {
        const rank = score(text, `${entry.label} ${entry.hint}`);
        const exact = typed !== "" && (entry.id?.toLowerCase() === typed || (!entry.acts && entry.label.toLowerCase() === typed));
        // Opening ranks before acting, and what is named in full before all.
        return rank === 0 ? 0 : rank + entry.bonus + (exact ? 100_000 : 0) + (entry.acts && !verbs ? 0 : 10_000);
    };
    return all
        .map((entry) => ({ entry, rank: rankOf(entry) }))
        .filter(({ rank }) => rank > 0)
        .sort((a, b) => b.rank - a.rank)
        .slice(0, SHOWN)
        .map(({ entry }) => entry);
}

export function Palette() {
    const [text, setText] = useState("");
    const [at, setAt] = useState(0);
    const entries = find(text);
    const chosen = Math.min(at, entries.length - 1);
    const close = () => (overlay.value = "none");
    const run = (entry: Entry | undefined) => {
        if (!entry) return;
        close();
        entry.run();
    };
    const onKey = (event: KeyboardEvent) => {
        const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
        if (step !== 0) setAt((chosen + step + entries.length) % Math.max(1, entries.length));
        else if (event.key === "Enter") run(entries[chosen]);
        else return;
        event.preventDefault();
    };
    return (
        <Dialog label="Command palette" class="palette" onClose={close}>
            <div class="palette-input">
                <Icon name="search" />
                <input autofocus value={text} placeholder="App, action or page" aria-label="App, action or page"
                    role="combobox" aria-expanded="true" aria-controls="palette-list" autocomplete="off"
                    aria-activedescendant={entries.length ? `palette-${chosen}` : undefined} spellcheck={false}
                    onKeyDown={onKey} onInput={(event) => {
                        setText(event.currentTarget.value);
                        setAt(0);
                    }} />
            </div>
            <ul id="palette-list" role="listbox" aria-label="Found">
                {entries.map((entry, index) => (
                    <li key={`${entry.label}/${entry.hint}`} id={`palette-${index}`} role="option"
                        aria-selected={index === chosen} onClick={() => run(entry)} onMouseMove={() => setAt(index)}>
                        <Icon name={entry.icon} /><span><Line>{entry.label}</Line></span><small><Line>{entry.hint}</Line></small>
                    </li>
                ))}
            </ul>
            {entries.length === 0 && <p class="muted">Nothing is called “{text}”.</p>}
        </Dialog>
    );
}
