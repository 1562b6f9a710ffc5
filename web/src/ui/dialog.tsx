import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
    label: string;
    class?: string;
    onClose(): void;
    children: ComponentChildren;
}

/** The browser's own modal: it traps the focus, closes on Esc and gives the focus back. */
export function Dialog({ label, class: name = "", onClose, children }: Props) {
    const ref = useRef<HTMLDialogElement>(null);
    // Before the next paint and the next key: what is typed after Ctrl-K belongs into the palette.
    useLayoutEffect(() => {
        const dialog = ref.current;
        const before = document.activeElement;
        dialog?.showModal();
        return () => {
            dialog?.close();
            if (before instanceof HTMLElement) before.focus();
        };
    }, []);
    return (
        <dialog ref={ref} class={`dialog ${name}`} aria-label={label}
            onCancel={(event) => {
                event.preventDefault();
                onClose();
            }}
            onClick={(event) => {
                // The backdrop belongs to the dialog; a click on it hits no child.
                if (event.target === ref.current) onClose();
            }}>
            <div class="dialog-body">{children}</div>
        </dialog>
    );
}
