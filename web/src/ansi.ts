// Splits a line of terminal output into styled spans. Colours and attributes are kept, cursor movement is dropped,
// and whatever else is invisible is shown, so that a log cannot hide anything from its reader.

export type Rgb = readonly [number, number, number];
/** 0–15 are the theme's; the rest of the 256 and 24-bit colours are fixed. */
export type Color = number | Rgb;

export interface Style {
    fg: Color | null;
    bg: Color | null;
    bold: boolean;
    dim: boolean;
    italic: boolean;
    underline: boolean;
    strike: boolean;
    inverse: boolean;
}

export interface Span {
    text: string;
    style: Style;
    /** A control character, drawn as a symbol. */
    control: boolean;
}

export const PLAIN: Style = {
    fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false,
};

// In this order: CSI, OSC and other strings (to their end), two-character sequences, single control characters.
// Bidirectional overrides count as control characters: they make a line read as what it is not.
const SPECIAL =
    /\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[()*+][0-9A-Za-z]|\x1b[=>78A-OQ-WYZc]|[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export function tokenize(line: string): Span[] {
    const spans: Span[] = [];
    let style = PLAIN;
    let at = 0;
    const add = (text: string, control: boolean) => {
        if (text) spans.push({ text, style, control });
    };
    for (const match of line.matchAll(SPECIAL)) {
        add(line.slice(at, match.index), false);
        at = match.index + match[0].length;
        if (match[0].length === 1) add(symbol(match[0]), true);
        else if (match[2] === "m") style = sgr(style, match[1] ?? "");
    }
    add(line.slice(at), false);
    return spans;
}

/** The text as shown, without its colours: what a search looks at. */
export function visibleText(line: string): string {
    return line.replace(SPECIAL, (found) => (found.length === 1 ? symbol(found) : ""));
}

export function symbol(char: string): string {
    const code = char.charCodeAt(0);
    // As terminals write them; few fonts have the pictures that Unicode offers.
    if (code < 0x20 || code === 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`;
    return `<${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

function sgr(before: Style, parameters: string): Style {
    const style = { ...before };
    // 38:2::r:g:b is the standard's form, 38;2;r;g;b the one everybody writes.
    const groups = parameters.split(";");
    for (let i = 0; i < groups.length; i++) {
        const sub = (groups[i] ?? "").split(":");
        const code = Number(sub[0] || 0);
        if (code === 38 || code === 48) {
            const inline = sub.length > 1;
            const [color, used] = inline ? extended(colonForm(sub)) : extended(groups.slice(i + 1));
            if (!inline) i += used;
            if (color !== null) style[code === 38 ? "fg" : "bg"] = color;
        } else {
            attribute(style, code, sub[1]);
        }
    }
    return style;
}

/** 38:2:colourspace:r:g:b carries one part more than 38:2:r:g:b. */
function colonForm(sub: string[]): string[] {
    return sub[1] === "2" && sub.length > 5 ? ["2", ...sub.slice(3)] : sub.slice(1);
}

function extended(parts: string[]): [Color | null, number] {
    const byte = (text: string | undefined) => Math.min(255, Math.max(0, Number(text || 0) || 0));
    if (parts[0] === "5") return [byte(parts[1]), 2];
    if (parts[0] === "2") return [[byte(parts[1]), byte(parts[2]), byte(parts[3])], 4];
    return [null, 1];
}

function attribute(style: Style, code: number, variant: string | undefined): void {
    switch (code) {
        case 0: Object.assign(style, PLAIN); break;
        case 1: style.bold = true; break;
        case 2: style.dim = true; break;
        case 3: style.italic = true; break;
        case 4: style.underline = variant !== "0"; break;
        case 7: style.inverse = true; break;
        case 9: style.strike = true; break;
        case 21: style.underline = true; break;
        case 22: style.bold = style.dim = false; break;
        case 23: style.italic = false; break;
        case 24: style.underline = false; break;
        case 27: style.inverse = false; break;
        case 29: style.strike = false; break;
        case 39: style.fg = null; break;
        case 49: style.bg = null; break;
        default: basicColor(style, code);
    }
}

function basicColor(style: Style, code: number): void {
    if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
}
