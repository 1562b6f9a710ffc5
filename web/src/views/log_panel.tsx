import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { api } from "../api";
import { count } from "../format";
import { LogBuffer, type Filter } from "../logbuffer";
import { LogList } from "../loglist";
import { live } from "../panel";
import { stored } from "../prefs";
import { isDark } from "../theme";
import type { AppKey, LogLine } from "../types";
import { IconButton, Search } from "../ui/controls";
import { Icon } from "../ui/icons";

const TAIL = 1000;
/** So many lines of a search of the whole log are shown. */
const FOUND = 1000;
const SEARCH_AFTER_MS = 300;
const wrapLines = stored<"on" | "off">("berth.log.wrap", "on", ["on", "off"]);
const showTimes = stored<"on" | "off">("berth.log.times", "on", ["on", "off"]);

interface Props {
    app: AppKey;
    name: string;
    /** The agent that cannot be asked now; empty: it is there. */
    away: string;
    stdin(echo: (text: string) => void): ComponentChildren;
}

/** Follows the app's log for as long as the view is there. */
function useLog(app: AppKey) {
    const scroller = useRef<HTMLDivElement>(null);
    const list = useRef<LogList | null>(null);
    const buffer = useMemo(() => new LogBuffer(), [app]);
    const following = useSignal(true);
    const unseen = useSignal(0);
    const matches = useSignal(0);
    const total = useSignal(0);
    const error = useSignal("");
    /** What is shown was searched in the whole log, and does not follow it. */
    const found = useSignal(false);
    const unfollow = useRef(() => {});

    const changed = (added: number) => {
        total.value = buffer.rows.length;
        matches.value = buffer.matches.length;
        unseen.value = list.current?.following ? 0 : unseen.value + added;
        list.current?.update();
    };

    useEffect(() => {
        if (!scroller.current) return;
        const painter = new LogList(scroller.current, buffer, {
            followChanged: (on) => {
                following.value = on;
                if (on) unseen.value = 0;
            },
        });
        list.current = painter;
        follow();
        return () => {
            unfollow.current();
            painter.destroy();
        };
    }, [app]);

    const follow = () => {
        unfollow.current();
        found.value = false;
        unfollow.current = live.follow(app, TAIL, {
            lines(lines, skipped, reset) {
                if (found.peek()) return;
                // What was typed before the first lines came is no part of what they replace.
                const typed = reset && buffer.rows.every((row) => row.kind === "stdin") ? buffer.rows : [];
                if (reset) buffer.clear();
                error.value = "";
                if (skipped > 0) {
                    buffer.add("note", `${count(skipped, "line")} skipped: ${reset ? "too much to be sent at once" : "they came faster than they could be sent"}; the download has them`);
                }
                buffer.append(lines);
                for (const row of typed) buffer.add("stdin", row.text);
                changed(reset ? 0 : lines.length);
            },
            failed(text) {
                error.value = text;
            },
        });
    };

    const showFound = (lines: LogLine[]) => {
        found.value = true;
        buffer.clear();
        buffer.add("note", `What the whole log has of it: ${count(lines.length, "line")}${lines.length < FOUND ? "" : ", the last ones"}. Clear the search to follow the log again.`);
        buffer.append(lines);
        changed(0);
        list.current?.setFollowing(true);
    };

    return { scroller, list, buffer, following, unseen, matches, total, error, found, changed, follow, showFound };
}

type Log = ReturnType<typeof useLog>;

function Toolbar({ app, log, kind, setKind }: { app: AppKey; log: Log; kind: Filter["kind"]; setKind(kind: Filter["kind"]): void }) {
    const flip = (pref: typeof wrapLines) => () => (pref.value = pref.value === "on" ? "off" : "on");
    return (
        <div class="log-tools">
            <select aria-label="Streams" value={kind}
                onChange={(event) => setKind(event.currentTarget.value as Filter["kind"])}>
                <option value="all">All output</option>
                <option value="stdout">stdout</option>
                <option value="stderr">stderr</option>
            </select>
            <IconButton icon="clock" label="Timestamps" pressed={showTimes.value === "on"} onClick={flip(showTimes)} />
            <IconButton icon="wrap" label="Wrap lines" pressed={wrapLines.value === "on"} onClick={flip(wrapLines)} />
            <a class="icon-button" href={api.downloadUrl(app)} download aria-label="Download the log" title="Download the log">
                <Icon name="download" />
            </a>
            <button type="button" class="button small follow" aria-pressed={log.following.value}
                onClick={() => log.list.current?.setFollowing(!log.following.value)}>
                <Icon name={log.following.value ? "pause" : "down"} />
                <span>{log.following.value ? "Pause" : "Follow"}</span>
            </button>
        </div>
    );
}

/** The lines of the whole log in which the text is; null while that is not known. */
function useWholeLog(app: AppKey, text: string): LogLine[] | null {
    const [lines, setLines] = useState<LogLine[] | null>(null);
    useEffect(() => {
        setLines(null);
        if (!text) return undefined;
        let current = true;
        const timer = setTimeout(() => {
            const expression = `(?i)${text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`;
            // An agent that is away finds nothing: then only what is in the page is counted.
            api.searchLog(app, expression, FOUND).then((found) => current && setLines(found.lines), () => {});
        }, SEARCH_AFTER_MS);
        return () => {
            current = false;
            clearTimeout(timer);
        };
    }, [app, text]);
    return lines;
}

function useSearch(app: AppKey, log: Log) {
    const [text, setText] = useState("");
    const [only, setOnly] = useState(false);
    const [kind, setKind] = useState<Filter["kind"]>("all");
    const [current, setCurrent] = useState<number | null>(null);
    const needle = text.toLowerCase();
    // At once, not after the next paint: an Enter right after the last letter steps through what it found.
    useLayoutEffect(() => {
        log.buffer.setFilter({ kind, needle, onlyMatches: only });
        log.changed(0);
    }, [log.buffer, kind, needle, only]);
    useEffect(() => {
        log.list.current?.setOptions({ wrap: wrapLines.value === "on", dark: isDark(), needle, current });
    }, [log.buffer, needle, current, wrapLines.value, isDark()]);
    const step = (by: 1 | -1) => {
        const all = log.buffer.matches;
        if (all.length === 0) return;
        const at = current === null ? -1 : all.indexOf(current);
        // The first step goes to the newest match: that is what one reads a log for.
        const next = all[at < 0 ? all.length - 1 : (at + by + all.length) % all.length] ?? null;
        setCurrent(next);
        if (next !== null) log.list.current?.scrollTo(next);
    };
    const whole = useWholeLog(app, text);
    const search = (value: string) => {
        setText(value);
        setCurrent(null);
        if (log.found.value) log.follow();
    };
    return { text, only, setOnly, kind, setKind, current, step, search, whole };
}

function wholeCount(lines: LogLine[]): string {
    const whole = lines.filter((line) => !line.partial).length;
    return lines.length < FOUND ? whole.toLocaleString("en") : `${FOUND.toLocaleString("en")} or more`;
}

function SearchTools({ log, found }: { log: Log; found: ReturnType<typeof useSearch> }) {
    const at = found.current === null ? -1 : log.buffer.matches.indexOf(found.current);
    return (
        <div class="log-search">
            <Search id="log-search" label="Search the log" value={found.text} onInput={found.search}
                onKeyDown={(event) => {
                    if (event.key === "Enter") found.step(event.shiftKey ? 1 : -1);
                    else if (event.key === "Escape" && found.text) found.search("");
                    else return;
                    event.preventDefault();
                    event.stopPropagation();
                }} />
            {found.text && (
                <>
                    <span class="log-found num" role="status">
                        {at >= 0 ? `${at + 1} / ` : ""}{count(log.matches.value, "match", "matches")}
                    </span>
                    {found.whole && !log.found.value && found.whole.length > log.matches.value && (
                        <>
                            <span class="log-whole num" role="status">here, {wholeCount(found.whole)} in the whole log</span>
                            <button type="button" class="button small" onClick={() => log.showFound(found.whole ?? [])}>Show them</button>
                        </>
                    )}
                    <IconButton icon="up" label="Older match" onClick={() => found.step(-1)} />
                    <IconButton icon="next" label="Newer match" onClick={() => found.step(1)} />
                    <IconButton icon="filter" label="Only lines that match" pressed={found.only}
                        onClick={() => found.setOnly(!found.only)} />
                </>
            )}
        </div>
    );
}

function emptyText(away: string, error: string): string {
    if (error) return error;
    return away
        ? `Agent ${away} is away: the log cannot be read now. It appears when the agent is back.`
        : "Nothing written yet. New lines appear here by themselves.";
}

export function LogPanel({ app, name, away, stdin }: Props) {
    const log = useLog(app);
    const found = useSearch(app, log);
    useEffect(() => log.list.current?.remeasure(), [showTimes.value]);
    const echo = (text: string) => {
        log.buffer.add("stdin", text);
        log.changed(1);
    };
    const unseen = log.unseen.value;
    const classes = `log ${wrapLines.value === "on" ? "log-wrapped" : ""} ${showTimes.value === "on" ? "" : "log-no-times"}`;
    return (
        <section class="log-panel" aria-label={`Log of ${name}`}>
            <div class="log-head">
                <SearchTools log={log} found={found} />
                <Toolbar app={app} log={log} kind={found.kind} setKind={found.setKind} />
            </div>
            <div class="log-frame">
                <div class={classes} ref={log.scroller} tabIndex={0} role="region" aria-label={`Log lines of ${name}`} />
                {log.total.value === 0 && (
                    <p class="log-empty">{emptyText(away, log.error.value)}</p>
                )}
                {!log.following.value && (
                    <button type="button" class="log-unseen" onClick={() => log.list.current?.setFollowing(true)}>
                        <Icon name="down" />
                        {unseen > 0 ? `${count(unseen, "new line")}` : "To the end"}
                    </button>
                )}
            </div>
            {log.total.value > 0 && log.error.value && <p class="log-error" role="status">{log.error.value}</p>}
            {stdin(echo)}
        </section>
    );
}
