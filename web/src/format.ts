// Values as people read them. None of these may ever print NaN or undefined.

export const NONE = "–";

export function bytes(value: number | null): string {
    if (value === null || !Number.isFinite(value)) return NONE;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
        value /= 1024;
        unit++;
    }
    return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function percent(value: number | null): string {
    if (value === null || !Number.isFinite(value)) return NONE;
    return `${value >= 100 ? Math.round(value) : value.toFixed(1)} %`;
}

/** Two units at most: "3d 4h", "2m 05s", "7s". */
export function duration(ms: number): string {
    if (!Number.isFinite(ms)) return NONE;
    const s = Math.max(0, Math.floor(ms / 1000));
    const two = (n: number) => String(n).padStart(2, "0");
    if (s < 60) return `${s}s`;
    if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
    if (s < 86_400) return `${Math.floor(s / 3600)}h ${two(Math.floor(s / 60) % 60)}m`;
    return `${Math.floor(s / 86_400)}d ${Math.floor(s / 3600) % 24}h`;
}

function parse(time: string | null): number {
    return time === null ? NaN : Date.parse(time);
}

export function since(time: string | null, now: number): string {
    return duration(now - parse(time));
}

export function ago(time: string | null, now: number): string {
    const at = parse(time);
    if (Number.isNaN(at)) return "never";
    return now - at < 1500 ? "just now" : `${duration(now - at)} ago`;
}

export function until(time: string | null, now: number): string {
    const at = parse(time);
    if (Number.isNaN(at)) return NONE;
    return at <= now ? "now" : `in ${duration(at - now + 500)}`;
}

function pad(n: number, width = 2): string {
    return String(n).padStart(width, "0");
}

export function clockTime(time: string): string {
    const at = new Date(time);
    if (Number.isNaN(at.getTime())) return time;
    return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
}

export function fullTime(time: string | null): string {
    const at = new Date(parse(time));
    if (Number.isNaN(at.getTime())) return NONE;
    const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
    return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

export function rate(value: number): string {
    return Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)}/s` : NONE;
}

/** The time between two moments, in the unit that fits; NONE while one has not come. */
export function latency(from: string | null, to: string | null): string {
    const ms = micros(to) - micros(from);
    if (!Number.isFinite(ms)) return NONE;
    if (ms < 1000) return `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;
    return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}

/** Milliseconds with their fraction, which Date.parse() drops. */
function micros(time: string | null): number {
    const fraction = /\.(\d+)/.exec(time ?? "");
    const below = Number(`0.${(fraction?.[1] ?? "").slice(3) || "0"}`);
    return parse(time) + below;
}

export function count(n: number, one: string, many = `${one}s`): string {
    return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}
