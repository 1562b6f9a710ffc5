// The one table of what can be done to apps; buttons, the palette and the bulk bar are made from it.
import { signal } from "@preact/signals";
import { api, Problem } from "./api";
import { count } from "./format";
import { notify } from "./notify";
import { fleet } from "./state";
import type { App, AppKey, BulkResult, VerbName } from "./types";
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
}

function names(apps: App[]): string {
    const shown = apps.slice(0, 8).map((app) => app.name).join(", ");
    return apps.length > 8 ? `${shown} and ${apps.length - 8} more` : shown;
}

const trying = (app: App) => app.state === "backoff" || app.state === "waiting";

export const VERBS: readonly Verb[] = [
    {
        name: "start", label: "Start", icon: "play", doing: "starting", done: "Started", danger: false, bulk: true,
        allowed: (app) => !app.active && app.state !== "waiting",
        question: () => null,
    },
    {
        name: "stop", label: "Stop", icon: "stop", doing: "stopping", done: "Stopped", danger: false, bulk: true,
        allowed: (app) => (app.active && app.state !== "stopping") || trying(app),
        question: (apps) =>
            apps.length < 2 ? null : { title: `Stop ${count(apps.length, "app")}?`, text: names(apps) },
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

function settle(key: AppKey): void {
    fleet.answerPending(key);
    const mark = fleet.pending.peek().get(key);
    if (!mark) return;
    setTimeout(() => {
        // A later action may have set a mark of its own by then.
        if (fleet.pending.peek().get(key) === mark) fleet.clearPending(key);
    }, CONFIRM_MS);
}

function ask(entry: Verb, apps: App[], yes: () => void): void {
    const asked = entry.question(apps);
    if (!asked) yes();
    else question.value = { ...asked, button: entry.label, danger: entry.danger, yes };
}

async function actOn(entry: Verb, app: App, key: AppKey): Promise<void> {
    fleet.markPending(key, entry.name);
    try {
        const answer = await api.act(key, entry.name);
        if (answer.operation) notify("info", `${app.name} is still ${entry.doing}`, "The outcome will show here.");
        else notify("ok", `${entry.done} ${app.name}`);
        settle(key);
    } catch (error) {
        fleet.clearPending(key);
        const problem = error as Problem;
        notify("error", `${entry.label} ${app.name}: ${problem.title}`, problem.detail);
    }
}

export function act(name: VerbName, key: AppKey): void {
    const app = fleet.app(key).peek();
    const entry = verb(name);
    if (app) ask(entry, [app], () => void actOn(entry, app, key));
}

async function actOnAll(entry: Verb, keys: AppKey[]): Promise<void> {
    bulkReport.value = null;
    for (const key of keys) fleet.markPending(key, entry.name);
    try {
        const { results } = await api.actAll(entry.name, keys);
        bulkReport.value = { verb: entry, results };
        const failed = results.filter((result) => !result.ok);
        if (failed.length > 0) {
            const detail = failed.map((result) => `${result.app}: ${result.error ?? "failed"}`).join("\n");
            notify("error", `${entry.label}: ${failed.length} of ${results.length} failed`, detail);
        }
    } catch (error) {
        const problem = error as Problem;
        notify("error", `${entry.label} ${count(keys.length, "app")}: ${problem.title}`, problem.detail);
    }
    keys.forEach(settle);
}

export function actAll(name: VerbName, keys: AppKey[]): void {
    const apps = keys.map((key) => fleet.app(key).peek()).filter((app) => app !== undefined);
    const entry = verb(name);
    if (apps.length > 0) ask(entry, apps, () => void actOnAll(entry, keys));
}
