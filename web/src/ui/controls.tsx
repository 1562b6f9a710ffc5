import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

interface IconButtonProps {
    icon: IconName;
    label: string;
    onClick(): void;
    disabled?: boolean;
    pressed?: boolean;
    danger?: boolean;
}

export function IconButton({ icon, label, onClick, disabled, pressed, danger }: IconButtonProps) {
    return (
        <button type="button" class={danger ? "icon-button danger" : "icon-button"} aria-label={label} title={label}
            aria-pressed={pressed} disabled={disabled} onClick={onClick}>
            <Icon name={icon} />
        </button>
    );
}

interface ButtonProps {
    children: ComponentChildren;
    icon?: IconName;
    kind?: "primary" | "danger";
    type?: "button" | "submit";
    disabled?: boolean;
    busy?: boolean;
    pressed?: boolean;
    onClick?(): void;
}

export function Button({ children, icon, kind, type = "button", disabled, busy, pressed, onClick }: ButtonProps) {
    return (
        <button type={type} class={kind ? `button ${kind}` : "button"} disabled={disabled || busy} aria-busy={busy} aria-pressed={pressed}
            onClick={onClick}>
            {icon && <Icon name={icon} />}
            <span>{children}</span>
        </button>
    );
}

async function copy(text: string): Promise<void> {
    // The clipboard interface is missing where the panel is served over plain HTTP.
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
}

export function Command({ text }: { text: string }) {
    const [copied, setCopied] = useState(false);
    const onClick = () => {
        void copy(text).then(() => {
            setCopied(true);
            setTimeout(() => setCopied(false), 2000);
        });
    };
    return (
        <div class="command">
            <code>{text}</code>
            <button type="button" class="button small" onClick={onClick}>
                <Icon name={copied ? "check" : "copy"} />
                <span aria-live="polite">{copied ? "Copied" : "Copy"}</span><span class="hidden">: {text}</span>
            </button>
        </div>
    );
}

export function Empty({ title, text, command }: { title: string; text: string; command?: string }) {
    return (
        <div class="empty">
            <h2>{title}</h2>
            <p>{text}</p>
            {command && <Command text={command} />}
        </div>
    );
}

interface SearchProps {
    value: string;
    label: string;
    id: string;
    onInput(value: string): void;
    onKeyDown?(event: KeyboardEvent): void;
}

export function Search({ value, label, id, onInput, onKeyDown }: SearchProps) {
    return (
        <div class="search">
            <Icon name="search" />
            <input id={id} type="search" value={value} placeholder={label} aria-label={label} autocomplete="off"
                spellcheck={false} data-search onKeyDown={onKeyDown}
                onInput={(event) => onInput(event.currentTarget.value)} />
            <kbd aria-hidden="true">/</kbd>
        </div>
    );
}
