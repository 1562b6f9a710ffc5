import { useRef, useState } from "preact/hooks";
import { api, Problem } from "../api";
import { notify } from "../notify";
import { mayAct } from "../state";
import type { App, AppKey } from "../types";
import { Button } from "../ui/controls";

/** One line to the app's stdin; ArrowUp brings back what was sent before. */
export function Stdin({ app, app_key, echo }: { app: App; app_key: AppKey; echo(text: string): void }) {
    const [text, setText] = useState("");
    const sent = useRef<string[]>([]);
    const at = useRef(0);
    const off = !app.active || app.stale || !mayAct.value;
    const submit = async (event: SubmitEvent) => {
        event.preventDefault();
        if (off) return;
        setText("");
        sent.current.push(text);
        at.current = sent.current.length;
        try {
            await api.stdin(app_key, `${text}\n`);
            echo(text);
        } catch (caught) {
            const problem = caught as Problem;
            // What was taken is with the app; the rest is given back.
            const rest = new TextDecoder().decode(new TextEncoder().encode(`${text}\n`).slice(problem.taken));
            if (problem.taken > 0) echo(text.slice(0, Math.max(0, text.length + 1 - rest.length)));
            setText(rest.replace(/\n$/, ""));
            notify("error", `Write to ${app.name}: ${problem.title}`, problem.detail);
        }
    };
    const onKey = (event: KeyboardEvent) => {
        if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
        at.current = Math.max(0, Math.min(sent.current.length, at.current + (event.key === "ArrowUp" ? -1 : 1)));
        setText(sent.current[at.current] ?? "");
        event.preventDefault();
    };
    return (
        <form class="stdin" onSubmit={(event) => void submit(event)}>
            <label for="stdin" aria-hidden="true">›</label>
            <input id="stdin" value={text} disabled={off} aria-label={`Write to the standard input of ${app.name}`}
                autocomplete="off" autocapitalize="none" spellcheck={false} onKeyDown={onKey}
                placeholder={app.active ? "Write a line to its standard input" : "Not running: nobody reads its input"}
                onInput={(event) => setText(event.currentTarget.value)} />
            <Button type="submit" disabled={off}>Send</Button>
        </form>
    );
}
