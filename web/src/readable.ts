// Texts of others on their way into the panel. What comes over the network goes through readable() once, so no
// view can forget it: control characters, escape sequences and bidirectional overrides become visible signs.
import { symbol } from "./ansi";
import type { App } from "./types";

/** What no text may bring into the page. Line breaks and tabs are text; views decide what they make of them. */
const UNREADABLE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** The same as it may stand in JSON, where ASCII controls are escaped. */
const IN_JSON = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\\[bfru]/;

export function readableText(text: string): string {
    return text.replace(UNREADABLE, symbol);
}

function readable(value: unknown): unknown {
    if (typeof value === "string") return readableText(value);
    if (Array.isArray(value)) return value.map(readable);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [readableText(key), readable(member)]));
}

/** JSON from the controller, with all its texts made readable. */
export function parseReadable(json: string): unknown {
    const value: unknown = JSON.parse(json);
    return IN_JSON.test(json) ? readable(value) : value;
}

export function firstLine(text: string): string {
    const end = text.indexOf("\n");
    return end < 0 ? text : `${text.slice(0, end)} …`;
}

/** The name with which one tells the instances of an app apart: "Pool 3", unless it says its number itself. */
export function numberedName(app: Pick<App, "id" | "name" | "instance_of">): string {
    const number = app.instance_of ? app.id.slice(app.instance_of.length + 1) : "";
    const said = app.name === app.id || app.name.split(/[^\p{L}\p{N}]+/u).includes(number);
    return !number || said ? app.name : `${app.name} ${number}`;
}

/** A name with the id, where a name alone may be that of two. */
export function nameAndId(app: Pick<App, "id" | "name">): string {
    return app.name === app.id ? app.id : `${app.name} (${app.id})`;
}

/** JSON for people: as JSON.stringify(), but {"int": "…"}, which stands for a number that JavaScript has not, is that number. */
export function jsonText(value: unknown): string {
    const text = JSON.stringify(value, null, 1);
    return text.replace(/\{\s*"int": "(-?\d+)"\s*\}/g, "$1");
}
