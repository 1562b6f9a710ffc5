// Toasts, and the list that keeps them after they have faded.
import { signal } from "@preact/signals";

export interface Notice {
    id: number;
    kind: "ok" | "info" | "error";
    title: string;
    detail: string;
    time: string;
}

const KEPT = 50;
const OK_MS = 2500;
const ERROR_MS = 12_000;

export const toasts = signal<Notice[]>([]);
export const notices = signal<Notice[]>([]);
export const unread = signal(0);

let nextId = 1;

export function notify(kind: Notice["kind"], title: string, detail = ""): void {
    const notice = { id: nextId++, kind, title, detail, time: new Date().toISOString() };
    // What went well is also seen in the list: one such toast at a time is enough.
    const staying = kind === "ok" ? toasts.value.filter((toast) => toast.kind !== "ok") : toasts.value;
    toasts.value = [...staying.slice(-3), notice];
    notices.value = [notice, ...notices.value].slice(0, KEPT);
    if (kind === "error") unread.value++;
    setTimeout(() => dismiss(notice.id), kind === "error" ? ERROR_MS : OK_MS);
}

export function dismiss(id: number): void {
    toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
