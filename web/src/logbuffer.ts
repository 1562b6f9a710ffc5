// The lines a log view holds: bounded, partial lines joined, filtered and searched.
import { visibleText } from "./ansi";
import type { LogLine } from "./types";

export type RowKind = "stdout" | "stderr" | "stdin" | "note";

export interface Row {
    seq: number;
    kind: RowKind;
    time: string;
    text: string;
    /** Grows when a partial line is continued: what is painted of it is out of date. */
    version: number;
    height: number;
    plain: string | null;
}

export interface Filter {
    kind: "all" | "stdout" | "stderr";
    /** Lower case; empty: no search. */
    needle: string;
    onlyMatches: boolean;
}

export const MAX_ROWS = 20_000;
/** Trimmed in lumps: moving 20,000 entries for each new line would cost more than the lines do. */
const TRIM_LUMP = 1000;
/** One line may be a megabyte of JSON, which no page can lay out; the download has all of it. */
const MAX_CHARS = 16_384;

const CUT = " … cut here; the download has the whole line";

export function plainOf(row: Row): string {
    row.plain ??= visibleText(row.text);
    return row.plain;
}

export class LogBuffer {
    rows: Row[] = [];
    visible: Row[] = [];
    /** The visible rows that match the search, by seq, ascending. */
    matches: number[] = [];
    filter: Filter = { kind: "all", needle: "", onlyMatches: false };
    private nextSeq = 0;
    private open: Record<"stdout" | "stderr", Row | null> = { stdout: null, stderr: null };

    constructor(private readonly limit = MAX_ROWS) {}

    clear(): void {
        this.rows = [];
        this.visible = [];
        this.matches = [];
        this.open = { stdout: null, stderr: null };
    }

    append(lines: LogLine[]): void {
        for (const line of lines) {
            const begun = this.open[line.stream];
            const whole = (begun?.text ?? "") + line.text;
            // A CR before the newline is no part of the line, also when it came in a piece of its own.
            const shown = line.partial ? whole : whole.replace(/\r+$/, "");
            const text = line.cut ? shown + CUT : shown;
            if (begun) this.extend(begun, text);
            else this.push(line.stream, line.time, text);
            const last = begun ?? this.rows[this.rows.length - 1] ?? null;
            this.open[line.stream] = line.partial ? last : null;
        }
        this.trim();
    }

    /** A row of the panel's own: what was typed, or how many lines are missing. */
    add(kind: "stdin" | "note", text: string): void {
        this.push(kind, new Date().toISOString(), text);
        this.trim();
    }

    setFilter(filter: Filter): void {
        this.filter = filter;
        this.visible = [];
        this.matches = [];
        for (const row of this.rows) this.show(row);
    }

    private push(kind: RowKind, time: string, text: string): void {
        const row: Row = { seq: this.nextSeq++, kind, time, text: cut(text), version: 0, height: 0, plain: null };
        this.rows.push(row);
        this.show(row);
    }

    private extend(row: Row, text: string): void {
        row.text = cut(text);
        row.plain = null;
        row.version++;
        row.height = 0;
        const { needle } = this.filter;
        const known = this.matches.includes(row.seq);
        if (!needle || known || !plainOf(row).toLowerCase().includes(needle)) return;
        // It became a match by its second half, possibly behind rows that already are: sort it in.
        this.setFilter(this.filter);
    }

    private show(row: Row): void {
        const { kind, needle, onlyMatches } = this.filter;
        const ours = row.kind === "stdin" || row.kind === "note";
        if (kind !== "all" && row.kind !== kind && !ours) return;
        const hit = needle !== "" && plainOf(row).toLowerCase().includes(needle);
        if (onlyMatches && needle !== "" && !hit) return;
        if (hit) this.matches.push(row.seq);
        this.visible.push(row);
    }

    private trim(): void {
        if (this.rows.length <= this.limit) return;
        this.rows.splice(0, this.rows.length - this.limit + Math.min(TRIM_LUMP, this.limit >> 1));
        const oldest = this.rows[0]?.seq ?? this.nextSeq;
        const keep = this.visible.findIndex((row) => row.seq >= oldest);
        this.visible.splice(0, keep < 0 ? this.visible.length : keep);
        this.matches = this.matches.filter((seq) => seq >= oldest);
        for (const stream of ["stdout", "stderr"] as const) {
            const row = this.open[stream];
            if (row && row.seq < oldest) this.open[stream] = null;
        }
    }
}

function cut(text: string): string {
    return text.length <= MAX_CHARS + CUT.length ? text : text.slice(0, MAX_CHARS) + CUT;
}
