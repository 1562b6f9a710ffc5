// A virtual list of log rows: only what can be seen is in the document, painted at most once a frame.
// Text reaches the page through textContent alone.
import { tokenize, type Span } from "./ansi";
import { dress } from "./color";
import { clockTime } from "./format";
import type { LogBuffer, Row } from "./logbuffer";

export const ROW_PX = 20;
const OVERSCAN_PX = 400;

export interface ListOptions {
    wrap: boolean;
    dark: boolean;
    /** Lower case; marked in the rows. */
    needle: string;
    current: number | null;
}

export interface ListEvents {
    followChanged(following: boolean): void;
}

interface Painted {
    element: HTMLElement;
    version: number;
}

export class LogList {
    private readonly sizer = document.createElement("div");
    private readonly pane = document.createElement("div");
    private readonly painted = new Map<Row, Painted>();
    private offsets = new Float64Array(1);
    private options: ListOptions = { wrap: false, dark: false, needle: "", current: null };
    private frame = 0;
    private lastTop = 0;
    private followingNow = true;
    /** What the reader looks at, so that rows coming and going above do not move it. */
    private held: { row: Row; above: number } | null = null;
    private readonly resize: ResizeObserver;

    constructor(
        private readonly scroller: HTMLElement,
        private readonly buffer: LogBuffer,
        private readonly events: ListEvents,
    ) {
        this.sizer.className = "log-sizer";
        this.pane.className = "log-pane";
        this.sizer.append(this.pane);
        scroller.replaceChildren(this.sizer);
        scroller.addEventListener("scroll", this.onScroll, { passive: true });
        this.resize = new ResizeObserver(() => this.remeasure());
        this.resize.observe(scroller);
    }

    destroy(): void {
        cancelAnimationFrame(this.frame);
        this.resize.disconnect();
        this.scroller.removeEventListener("scroll", this.onScroll);
    }

    get following(): boolean {
        return this.followingNow;
    }

    setFollowing(on: boolean): void {
        if (this.followingNow !== on) {
            this.followingNow = on;
            this.events.followChanged(on);
        }
        this.update();
    }

    setOptions(options: ListOptions): void {
        const rewrap = options.wrap !== this.options.wrap;
        this.options = options;
        this.painted.clear();
        this.pane.replaceChildren();
        if (rewrap) this.remeasure();
        else this.update();
    }

    /** Widths changed: every height is a guess again. */
    remeasure(): void {
        for (const row of this.buffer.rows) row.height = 0;
        this.update();
    }

    update(): void {
        if (this.frame) return;
        this.frame = requestAnimationFrame(() => {
            this.frame = 0;
            this.paint();
        });
    }

    scrollTo(seq: number): void {
        this.setFollowing(false);
        this.layOut();
        const index = this.buffer.visible.findIndex((row) => row.seq === seq);
        if (index < 0) return;
        this.scroller.scrollTop = (this.offsets[index] ?? 0) - this.scroller.clientHeight / 2;
        this.lastTop = this.scroller.scrollTop;
        this.hold(this.lastTop);
        this.update();
    }

    private readonly onScroll = (): void => {
        const { scrollTop, clientHeight, scrollHeight } = this.scroller;
        const atEnd = scrollTop + clientHeight >= scrollHeight - ROW_PX / 2;
        if (scrollTop < this.lastTop - 1 && !atEnd) this.setFollowing(false);
        else if (scrollTop > this.lastTop + 1 && atEnd) this.setFollowing(true);
        // A scroll of our own ends where lastTop already is; this one is the reader's.
        if (Math.abs(scrollTop - this.lastTop) > 1) this.hold(scrollTop);
        this.lastTop = scrollTop;
        this.update();
    };

    private layOut(): void {
        const rows = this.buffer.visible;
        if (this.offsets.length < rows.length + 1) this.offsets = new Float64Array((rows.length + 1) * 2);
        let at = 0;
        for (let i = 0; i < rows.length; i++) {
            this.offsets[i] = at;
            at += rows[i]?.height || ROW_PX;
        }
        this.offsets[rows.length] = at;
        this.sizer.style.height = `${at}px`;
    }

    /** The row at a height, by bisection. */
    private rowAt(y: number): number {
        let low = 0;
        let high = this.buffer.visible.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if ((this.offsets[middle + 1] ?? Infinity) <= y) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    private paint(): void {
        // A wrapped row's height is known only once it is painted, which may move the rest.
        for (let pass = 0; pass < 3; pass++) {
            this.layOut();
            this.restore();
            const [from, to] = this.fill();
            if (!this.options.wrap || !this.measure(from, to)) break;
        }
    }

    private restore(): void {
        if (this.followingNow) {
            this.scroller.scrollTop = this.scroller.scrollHeight;
        } else if (this.held) {
            const index = this.indexOf(this.held.row);
            if (index >= 0) this.scroller.scrollTop = (this.offsets[index] ?? 0) + this.held.above;
        }
        this.lastTop = this.scroller.scrollTop;
    }

    private indexOf(row: Row): number {
        const rows = this.buffer.visible;
        let low = 0;
        let high = rows.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if ((rows[middle]?.seq ?? Infinity) < row.seq) low = middle + 1;
            else high = middle;
        }
        return rows[low] === row ? low : -1;
    }

    private fill(): [number, number] {
        const top = this.scroller.scrollTop;
        const rows = this.buffer.visible;
        const from = this.rowAt(Math.max(0, top - OVERSCAN_PX));
        const to = Math.min(rows.length, this.rowAt(top + this.scroller.clientHeight + OVERSCAN_PX) + 1);
        const wanted = new Set(rows.slice(from, to));
        for (const [row, { element, version }] of this.painted) {
            if (wanted.has(row) && version === row.version) continue;
            element.remove();
            this.painted.delete(row);
        }
        let place = this.pane.firstChild;
        for (const row of wanted) {
            const existing = this.painted.get(row);
            if (existing) {
                place = existing.element.nextSibling;
                continue;
            }
            const element = this.build(row);
            this.pane.insertBefore(element, place);
            this.painted.set(row, { element, version: row.version });
        }
        this.pane.style.transform = `translateY(${this.offsets[from] ?? 0}px)`;
        this.hold(top);
        return [from, to];
    }

    private hold(top: number): void {
        const index = this.rowAt(top);
        const row = this.buffer.visible[index];
        this.held = row ? { row, above: top - (this.offsets[index] ?? 0) } : null;
    }

    private measure(from: number, to: number): boolean {
        let changed = false;
        for (const row of this.buffer.visible.slice(from, to)) {
            const height = this.painted.get(row)?.element.offsetHeight ?? 0;
            if (height > 0 && height !== (row.height || ROW_PX)) changed = true;
            row.height = height;
        }
        return changed;
    }

    private build(row: Row): HTMLElement {
        const element = document.createElement("div");
        element.className = `log-row log-${row.kind}`;
        if (row.seq === this.options.current) element.classList.add("log-current");
        const time = document.createElement("span");
        time.className = "log-time";
        time.textContent = clockTime(row.time);
        time.title = row.time;
        const text = document.createElement("span");
        text.className = "log-text";
        let at = 0;
        const hits = this.hits(row);
        for (const span of tokenize(row.text)) {
            this.addSpan(text, span, at, hits);
            at += span.text.length;
        }
        element.append(time, text);
        return element;
    }

    private hits(row: Row): [number, number][] {
        const { needle } = this.options;
        const found: [number, number][] = [];
        if (!needle) return found;
        const text = tokenize(row.text).map((span) => span.text).join("").toLowerCase();
        for (let at = text.indexOf(needle); at >= 0 && found.length < 200; at = text.indexOf(needle, at + needle.length)) {
            found.push([at, at + needle.length]);
        }
        return found;
    }

    /** One span of colour may hold several matches, and a match may reach over several spans. */
    private addSpan(parent: HTMLElement, span: Span, start: number, hits: [number, number][]): void {
        let at = 0;
        const piece = (end: number, marked: boolean) => {
            if (end <= at) return;
            const element = document.createElement(marked ? "mark" : "span");
            element.textContent = span.text.slice(at, end);
            if (span.control) element.className = "a-control";
            if (!marked) dress(element, span.style, this.options.dark);
            parent.append(element);
            at = end;
        };
        for (const [from, to] of hits) {
            if (to <= start || from >= start + span.text.length) continue;
            piece(from - start, false);
            piece(Math.min(span.text.length, to - start), true);
        }
        piece(span.text.length, false);
    }
}
