// Terminal colours on a page that may be light or dark.
import type { Color, Rgb, Style } from "./ansi";

const CUBE = [0, 95, 135, 175, 215, 255];
const LIGHT_PAPER: Rgb = [252, 252, 251];
const DARK_PAPER: Rgb = [16, 20, 24];
const MIN_CONTRAST = 4.5;

export function rgbOf(index: number): Rgb {
    if (index >= 232) {
        const gray = 8 + (index - 232) * 10;
        return [gray, gray, gray];
    }
    const n = index - 16;
    return [CUBE[Math.floor(n / 36)] ?? 0, CUBE[Math.floor(n / 6) % 6] ?? 0, CUBE[n % 6] ?? 0];
}

function luminance(rgb: Rgb): number {
    const [r, g, b] = rgb.map((part) => {
        const c = part / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb): number {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (high + 0.05) / (low + 0.05);
}

/** Programs pick colours for a dark terminal; on the other paper they are moved until they can be read. */
export function readable(color: Rgb, dark: boolean): Rgb {
    const paper = dark ? DARK_PAPER : LIGHT_PAPER;
    const end = dark ? 255 : 0;
    let shown = color;
    for (let step = 1; step <= 10 && contrast(shown, paper) < MIN_CONTRAST; step++) {
        const mix = (part: number) => Math.round(part + ((end - part) * step) / 10);
        shown = [mix(color[0]), mix(color[1]), mix(color[2])];
    }
    return shown;
}

function css(rgb: Rgb): string {
    return `rgb(${rgb.join(" ")})`;
}

function fixed(color: Color): Rgb | null {
    if (typeof color !== "number") return color;
    return color < 16 ? null : rgbOf(color);
}

/** Classes for what the theme knows, style properties (never markup) for the fixed colours. */
export function dress(element: HTMLElement, style: Style, dark: boolean): void {
    const classes = element.classList;
    for (const name of ["bold", "dim", "italic", "underline", "strike", "inverse"] as const) {
        if (style[name]) classes.add(`a-${name}`);
    }
    if (style.fg !== null) {
        const rgb = fixed(style.fg);
        if (rgb === null) classes.add(`a-fg${style.fg as number}`);
        else element.style.setProperty("--a-fg", css(style.bg === null && !style.inverse ? readable(rgb, dark) : rgb));
    }
    if (style.bg !== null) {
        const rgb = fixed(style.bg);
        if (rgb === null) classes.add(`a-bg${style.bg as number}`);
        else {
            element.style.setProperty("--a-bg", css(rgb));
            // Default text on a fixed background: whichever of black and white can be read.
            if (style.fg === null) element.style.setProperty("--a-fg", luminance(rgb) > 0.18 ? "#000" : "#fff");
        }
    }
}
