// The one table of what can be done to apps; buttons, the palette and the bulk bar are made from it.
import { signal } from "@preact/signals";
import { api, Problem } from "./api";
import { count } from "./format";
import { notify } from "./notify";
import { nameAndId } from "./readable";
import { fleet, type Pending } from "./state";
import { keyOf, type App, type AppKey, type BulkResult, type VerbName } from "./types";
import type { IconName } from "./ui/icons";

export interface Verb {
    name: VerbName;
    label: string;
    icon: IconName;
    doing: string;
    done: string;
    danger: boolean;
    bulk: boolean;
    allowed(app: App): boolean;
    /** The question to ask first, if any. */
    question(apps: App[]): { title: string; text: string } | null;
    /** Whether it is so already, so that there is nothing to do. */
    needless?(app: App): boolean;
}

function names(apps: App[]): string {
    const shown = apps.slice(0, 8).map(nameAndId).join(", ");
    return apps.length > 8 ? `${shown} and ${apps.length - 8} more` : shown;
}

const trying = (app: App) => app.state === "backoff" || app.state === "waiting";

export const VERBS: readonly Verb[] = [
    {
        name: "start", label: "Start", icon: "play", doing: "starting", done: "Started", danger: false, bulk: true,
        allowed: (app) => !app.active && app.state !== "waiting",
        question: () => null,
        needless: (app) => app.state === "running" || app.state === "starting",
    },
    {
        name: "stop", label: "Stop", icon: "stop", doing: "stopping", done: "Stopped", danger: false, bulk: true,
        allowed: (app) => (app.active && app.state !== "stopping") || trying(app),
        question: (apps) =>
            apps.length < 2 ? null : { title: `Stop ${count(apps.length, "app")}?`, text: names(apps) },
        needless: (app) => !app.active && !trying(app),
    },
    {
        name: "restart", label: "Restart", icon: "restart", doing: "restarting", done: "Restarted", danger: false,
        bulk: true,
        allowed: (app) => app.state === "running" || app.state === "starting" || app.state === "backoff",
        question: () => null,
    },
    {
        name: "kill", label: "Kill", icon: "kill", doing: "being killed", done: "Killed", danger: true, bulk: false,
        allowed: (app) => app.active,
        question: (apps) => ({
            title: `Kill ${names(apps)}?`,
            text: "The whole process tree gets SIGKILL at once. What it has not saved is lost.",
        }),
    },
    {
        name: "clean", label: "Forget", icon: "trash", doing: "being forgotten", done: "Forgot", danger: true,
        bulk: false,
        allowed: (app) => !app.active && !trying(app),
        question: (apps) => ({
            title: `Forget ${names(apps)}?`,
            text: "Its entry and its logs are removed. Its files stay; load its descriptor to have it back.",
        }),
    },
];

export function verb(name: VerbName): Verb {
    const found = VERBS.find((entry) => entry.name === name);
    if (!found) throw new Error(`no verb ${name}`);
    return found;
}

export interface Question {
    title: string;
    text: string;
    button: string;
    danger: boolean;
    yes(): void;
}

export const question = signal<Question | null>(null);

export interface BulkReport {
    verb: Verb;
    results: BulkResult[];
}

export const bulkReport = signal<BulkReport | null>(null);

/** How long an answered request may wait for the stream before its mark is taken off. */
const CONFIRM_MS = 5000;

function settle(key: AppKey, mark: Pending): void {
    if (fleet.answerPending(key, mark)) setTimeout(() => fleet.clearPending(key, mark), CONFIRM_MS);
}

/** Whether another request about the app has to end first. Who started it may stop it meanwhile. */
export function blocked(entry: Verb, key: AppKey): boolean {
    const mark = fleet.pending.value.get(key);
    const begins = mark?.verb === "start" || mark?.verb === "restart";
    return mark !== undefined && !(begins && (entry.name === "stop" || entry.name === "kill"));
}

function ask(entry: Verb, apps: App[], always: boolean, yes: () => void): void {
    const asked = entry.question(apps)
        ?? (always ? { title: `${entry.label} ${names(apps)}?`, text: `It is ${apps[0]?.state} now.` } : null);
    if (!asked) yes();
    else question.value = { ...asked, button: entry.label, danger: entry.danger, yes };
}

async function actOn(entry: Verb, app: App, key: AppKey): Promise<void> {
    const mark = fleet.markPending(key, entry.name);
    try {
        const answer = await api.act(key, entry.name);
        if (answer.operation) notify("info", `${app.name} is still ${entry.doing}`, "The outcome will show here.");
        else notify("ok", `${entry.done} ${app.name}`);
        settle(key, mark);
    } catch (error) {
        // What was stopped on its way up has not failed: its later request tells how it went.
        const overtaken = fleet.pending.peek().get(key) !== mark && (entry.name === "start" || entry.name === "restart");
        fleet.clearPending(key, mark);
        const problem = error as Problem;
        if (!overtaken) notify("error", `${entry.label} ${app.name}: ${problem.title}`, problem.detail);
    }
}

/** `always`: asks first even where the buttons do not, as whoever types a name may mean something else. */
export function act(name: VerbName, key: AppKey, always = false): void {
    const app = fleet.app(key).peek();
    const entry = verb(name);
    if (app) ask(entry, [app], always, () => void actOn(entry, app, key));
}

async function actOnAll(entry: Verb, apps: App[]): Promise<void> {
    bulkReport.value = null;
    const already = new Set(apps.filter((app) => entry.needless?.(app)).map(keyOf));
    const marks = apps.map((app) => [keyOf(app), fleet.markPending(keyOf(app), entry.name)] as const);
    try {
        const { results } = await api.actAll(entry.name, apps.map(keyOf));
        bulkReport.value = { verb: entry, results: results.map((one) => ({ ...one, already: one.ok && already.has(one.app) })) };
        const failed = results.filter((result) => !result.ok);
        if (failed.length > 0) {
            const detail = failed.map((result) => `${result.app}: ${result.error ?? "failed"}`).join("\n");
            notify("error", `${entry.label}: ${failed.length} of ${results.length} failed`, detail);
        }
    } catch (error) {
        const problem = error as Problem;
        notify("error", `${entry.label} ${count(apps.length, "app")}: ${problem.title}`, problem.detail);
    }
    for (const [key, mark] of marks) settle(key, mark);
}

export function actAll(name: VerbName, keys: AppKey[]): void {
    const apps = keys.map((key) => fleet.app(key).peek()).filter((app) => app !== undefined);
    const entry = verb(name);
    if (apps.length > 0) ask(entry, apps, false, () => void actOnAll(entry, apps));
}
