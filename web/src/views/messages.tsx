import { useEffect, useState } from "preact/hooks";
import { question } from "../actions";
import { api, Problem } from "../api";
import { href } from "../base";
import { ago, bytes, count, fullTime, rate, since } from "../format";
import { notify } from "../notify";
import { jsonText } from "../readable";
import { mayAct, now } from "../state";
import type { App, AppKey, MailboxFigures, Messages, WaitingMessage } from "../types";
import { Button, Command, IconButton } from "../ui/controls";
import { Line, Text } from "../ui/text";

const PACE_MS = 2000;

function report(what: string, caught: unknown): void {
    const problem = caught as Problem;
    notify("error", `${what}: ${problem.title}`, problem.detail);
}

/** A text as it is, anything else as JSON. */
function payloadText(payload: unknown): string {
    return typeof payload === "string" ? payload : jsonText(payload);
}

function Figures({ figures }: { figures: MailboxFigures }) {
    const shown: [string, string][] = [
        ["Waiting", figures.waiting.toLocaleString("en")],
        ["Size", bytes(figures.bytes)],
        ["Oldest", figures.oldest ? since(figures.oldest, now.value) : "–"],
        ["In", rate(figures.in_rate)],
        ["Out", rate(figures.out_rate)],
        ["Redelivered", figures.redelivered.toLocaleString("en")],
        ["Dead", figures.dead.toLocaleString("en")],
    ];
    return (
        <dl class="mail-figures">
            {shown.map(([name, value]) => <div key={name}><dt>{name}</dt><dd class="num">{value}</dd></div>)}
        </dl>
    );
}

interface MessageProps {
    app: App;
    message: WaitingMessage;
    onRemove(): void;
    onResend?: () => void;
}

function Message({ app, message, onRemove, onResend }: MessageProps) {
    const notes = [
        bytes(message.bytes),
        message.request && "a request",
        message.held && "given out",
        message.attempt > 1 && `tried ${message.attempt} times`,
        !message.durable && "in memory only",
        message.expires && `until ${fullTime(message.expires)}`,
        message.dead && `a dead letter since ${fullTime(message.dead)}`,
    ].filter(Boolean);
    return (
        <li>
            <p>
                <span class="num mono">{message.id}</span> from <strong><Line>{message.from || "the operator"}</Line></strong>,{" "}
                <time dateTime={message.time} title={fullTime(message.time)}>{ago(message.time, now.value)}</time>
                <span class="muted"> · {notes.join(" · ")}</span>
            </p>
            {mayAct.value && onResend && (
                <IconButton icon="restart" label={`Send message ${message.id} again`} disabled={app.stale} onClick={onResend} />
            )}
            {mayAct.value && <IconButton icon="trash" label={`Remove message ${message.id}`} disabled={app.stale} onClick={onRemove} />}
            <pre class="explanation" tabIndex={0} aria-label={`Payload of message ${message.id}`}><Text>{payloadText(message.payload)}</Text></pre>
            {!message.whole && !message.dead && <Command text={`berth messages ${app.id} --after ${message.id - 1} -n 1 --full`} />}
        </li>
    );
}

function SendForm({ app, app_key, onSent }: { app: App; app_key: AppKey; onSent(): void }) {
    const [text, setText] = useState("");
    const [isJson, setIsJson] = useState(false);
    const submit = async (event: SubmitEvent) => {
        event.preventDefault();
        const json = isJson ? text : JSON.stringify(text);
        if (isJson) {
            try {
                JSON.parse(text);
            } catch (caught) {
                return notify("error", "This is no JSON", (caught as Error).message);
            }
        }
        try {
            const { id } = await api.sendMessage(app_key, json);
            notify("ok", `Message ${id} waits for ${app.name}`);
            setText("");
            onSent();
        } catch (caught) {
            report(`Send to ${app.name}`, caught);
        }
    };
    return (
        <form class="mail-send" onSubmit={(event) => void submit(event)}>
            <input value={text} aria-label={`Message to ${app.name}`} placeholder="Send it a message" autocomplete="off"
                spellcheck={false} disabled={app.stale} onInput={(event) => setText(event.currentTarget.value)} />
            <label><input type="checkbox" checked={isJson} onChange={(event) => setIsJson(event.currentTarget.checked)} /> JSON</label>
            <Button type="submit" disabled={app.stale || (isJson && text.trim() === "")}>Send message</Button>
        </form>
    );
}

function useMailbox(app_key: AppKey, ask: (key: AppKey) => Promise<Messages>): [Messages | null, () => void] {
    const [found, setFound] = useState<Messages | null>(null);
    const [asked, setAsked] = useState(0);
    const turn = Math.floor(now.value / PACE_MS);
    useEffect(() => {
        let current = true;
        // An agent that is away says nothing new; what was seen stays.
        ask(app_key).then((messages) => current && setFound(messages), () => {});
        return () => {
            current = false;
        };
    }, [app_key, turn, asked]);
    return [found, () => setAsked(asked + 1)];
}

type Ask = (title: string, text: string, button: string, run: () => Promise<unknown>) => void;

/** What was given to the app as often as its descriptor allows, and never acknowledged. */
function DeadLetters({ app, app_key, ask, onChange }: { app: App; app_key: AppKey; ask: Ask; onChange(): void }) {
    const [found, reload] = useMailbox(app_key, api.deadLetters);
    const letters = found?.messages ?? [];
    if (letters.length === 0) return null;
    const resend = (message?: number) => void api.resend(app_key, message).then(({ resent }) => {
        notify("ok", `${count(resent, "message")} of ${app.name} sent again`);
        reload();
        onChange();
    }, (caught: unknown) => report(`Send again to ${app.name}`, caught));
    return (
        <section aria-label="Dead letters">
            <div class="mail-head">
                <h3>Dead letters</h3>
                {mayAct.value && <Button icon="restart" disabled={app.stale} onClick={() => resend()}>Send all again</Button>}
                {mayAct.value && (
                    <Button icon="trash" disabled={app.stale} onClick={() => ask(
                        `Remove all dead letters of ${app.name}?`, "They would be lost; the app never sees them.", "Remove dead letters",
                        () => api.dropDeadLetters(app_key).then(reload),
                    )}>Remove dead letters</Button>
                )}
            </div>
            <ol class="mail-list">
                {letters.map((message) => (
                    <Message key={message.id} app={app} message={message} onResend={() => resend(message.id)} onRemove={() => ask(
                        `Remove message ${message.id}?`, `${app.name} never sees it.`, "Remove",
                        () => api.removeMessage(app_key, message.id).then(reload),
                    )} />
                ))}
            </ol>
            {found?.more && <p class="muted">These are the oldest {letters.length}.</p>}
        </section>
    );
}

/** What waits for the app, and what can be done about it. */
export function MessagesPanel({ app, app_key }: { app: App; app_key: AppKey }) {
    const [found, reload] = useMailbox(app_key, api.mailbox);
    const figures = found?.mailbox ?? app.mailbox;
    const messages = found?.messages ?? [];
    const ask: Ask = (title, text, button, run) => {
        question.value = {
            title, text, button, danger: true,
            yes: () => void run().then(reload, (caught: unknown) => report(title, caught)),
        };
    };
    return (
        <section class="card messages" aria-label="Mailbox">
            <div class="mail-head">
                <h2>Messages</h2>
                <a href={href(`/agents/${encodeURIComponent(app.agent)}/traffic?app=${encodeURIComponent(app.id)}`)}>Its traffic</a>
                {mayAct.value && messages.length > 0 && (
                    <Button icon="trash" disabled={app.stale} onClick={() => ask(
                        `Remove all messages of ${app.name}?`,
                        `${count(figures?.waiting ?? messages.length, "message")} would be lost; the app never sees them.`,
                        "Remove all", () => api.clearMailbox(app_key),
                    )}>Remove all</Button>
                )}
            </div>
            {figures ? <Figures figures={figures} /> : <p class="muted">Nothing was ever sent to it.</p>}
            {messages.length > 0 && (
                <ol class="mail-list">
                    {messages.map((message) => (
                        <Message key={message.id} app={app} message={message} onRemove={() => ask(
                            `Remove message ${message.id}?`, `${app.name} never sees it.`, "Remove",
                            () => api.removeMessage(app_key, message.id),
                        )} />
                    ))}
                </ol>
            )}
            {found?.more && <p class="muted">These are the oldest {messages.length}.</p>}
            {figures !== null && figures.dead > 0 && <DeadLetters app={app} app_key={app_key} ask={ask} onChange={reload} />}
            {mayAct.value && <SendForm app={app} app_key={app_key} onSent={reload} />}
        </section>
    );
}
