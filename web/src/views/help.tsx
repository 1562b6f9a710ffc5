import { href } from "../base";
import { KEYS } from "../keys";
import { overlay } from "../panel";
import { session } from "../state";
import { IconButton } from "../ui/controls";
import { Dialog } from "../ui/dialog";

export function HelpDialog() {
    const close = () => (overlay.value = "none");
    return (
        <Dialog label="Keyboard help" class="help" onClose={close}>
            <div class="dialog-head">
                <h2>Keyboard</h2>
                <IconButton icon="close" label="Close" onClick={close} />
            </div>
            <dl>
                {KEYS.map(([keys, meaning]) => (
                    <div key={keys}>
                        <dt>{keys.split("  ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
                        <dd>{meaning}</dd>
                    </div>
                ))}
            </dl>
            <p class="muted">
                Berth {session.value?.version}. Everything here is in the <code>berth</code> command and
                the <a href={href("/api/v1/openapi.json")} target="_blank">HTTP API</a> too, under the same names.
            </p>
        </Dialog>
    );
}
