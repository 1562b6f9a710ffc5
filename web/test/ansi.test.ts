import { describe, expect, it } from "vitest";
import { PLAIN, tokenize, visibleText } from "../src/ansi";

const shown = (line: string) => tokenize(line).map((span) => span.text);
const styleOf = (line: string, index = 0) => tokenize(line)[index]?.style;

describe("tokenize", () => {
    it("leaves plain text alone", () => {
        expect(tokenize("plain")).toEqual([{ text: "plain", style: PLAIN, control: false }]);
        expect(tokenize("")).toEqual([]);
    });
    it("knows the sixteen colours, normal and bright", () => {
        expect(styleOf("\x1b[31mred")?.fg).toBe(1);
        expect(styleOf("\x1b[97mwhite")?.fg).toBe(15);
        expect(styleOf("\x1b[44mblue")?.bg).toBe(4);
        expect(styleOf("\x1b[100mgray")?.bg).toBe(8);
    });
    it("knows 256 and 24-bit colours in both spellings", () => {
        expect(styleOf("\x1b[38;5;208mx")?.fg).toBe(208);
        expect(styleOf("\x1b[38:5:208mx")?.fg).toBe(208);
        expect(styleOf("\x1b[38;2;1;2;3mx")?.fg).toEqual([1, 2, 3]);
        expect(styleOf("\x1b[38:2:1:2:3mx")?.fg).toEqual([1, 2, 3]);
        expect(styleOf("\x1b[38:2::1:2:3mx")?.fg).toEqual([1, 2, 3]);
        expect(styleOf("\x1b[48;5;300mx")?.bg).toBe(255);
    });
    it("goes on after a colour in the same sequence", () => {
        const style = styleOf("\x1b[1;38;5;9;4;48;2;9;9;9;7mx");
        expect(style).toMatchObject({ bold: true, underline: true, inverse: true, fg: 9, bg: [9, 9, 9] });
    });
    it("switches attributes off one by one and all at once", () => {
        expect(styleOf("\x1b[1;3;4mx\x1b[22;24my", 1)).toMatchObject({ bold: false, italic: true, underline: false });
        expect(styleOf("\x1b[1;31mx\x1b[my", 1)).toEqual(PLAIN);
        expect(styleOf("\x1b[31;42mx\x1b[39;49my", 1)).toEqual(PLAIN);
    });
    it("drops cursor movement, titles and links, and keeps their text", () => {
        expect(visibleText("\x1b[2K\x1b[1Gdone")).toBe("done");
        expect(visibleText("\x1b]0;title\x07text")).toBe("text");
        expect(visibleText("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ end")).toBe("link end");
        expect(visibleText("\x1b(Bascii\x1b7\x1b8")).toBe("ascii");
    });
    it("shows what is invisible", () => {
        expect(shown("a\x07b\x00\x7f")).toEqual(["a", "^G", "b", "^@", "^?"]);
        expect(visibleText("10 %\r20 %")).toBe("10 %^M20 %");
        expect(visibleText("safe\u202eevil")).toBe("safe<202E>evil");
        expect(tokenize("\x07")[0]?.control).toBe(true);
    });
    it("keeps tabs and text in any script", () => {
        expect(shown("a\tb ü 漢 😀")).toEqual(["a\tb ü 漢 😀"]);
    });
    it("survives what is cut off or nonsense", () => {
        expect(visibleText("end\x1b[3")).toBe("end^[[3");
        expect(visibleText("\x1b]0;never closed")).toBe("");
        expect(styleOf("\x1b[38mx")?.fg).toBe(null);
        expect(styleOf("\x1b[38;5mx")?.fg).toBe(0);
        expect(styleOf("\x1b[999;;mx")).toEqual(PLAIN);
    });
    it("shows the same text as visibleText", () => {
        const line = "\x1b[1mA\x1b[0m\x07 \x1b[38;5;1mB\x1b[2K\x1b]0;t\x07C";
        expect(shown(line).join("")).toBe(visibleText(line));
    });
    it("takes time in proportion to the length of hostile input", () => {
        const hostile = (n: number) => "\x1b[".repeat(5 * n) + "\x1b]".repeat(5 * n) + "\x1b[1;".repeat(2 * n);
        const seconds = (n: number) => {
            const times = [1, 2, 3].map(() => {
                const start = performance.now();
                tokenize(hostile(n));
                return performance.now() - start;
            });
            return Math.min(...times);
        };
        // In the same run, so that a busy machine is busy for both: 16 times the input, not 256 times the time.
        expect(seconds(8000)).toBeLessThan(80 * Math.max(seconds(500), 0.2));
    });
});
