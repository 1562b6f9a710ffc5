import { useState } from "preact/hooks";
import { api, Problem } from "../api";
import { notify } from "../notify";
import { overlay } from "../panel";
import { session } from "../state";
import { Button, IconButton } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { FormError, whyNot } from "./login";
import { MIN_PASSWORD } from "./setup";

/** Everybody changes the own password; the present one is asked for, since a session may have been left open. */
export function PasswordDialog() {
    const [error, setError] = useState("");
    const [busy, setBusy] = useState(false);
    const close = () => (overlay.value = "none");
    const submit = async (event: SubmitEvent) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget as HTMLFormElement);
        const text = (name: string) => String(form.get(name) ?? "");
        const wrong = (why: string, field: string) => {
            setError(why);
            document.getElementById(field)?.focus();
        };
        if (!text("present")) return wrong("Type the present password too.", "present");
        if ([...text("password")].length < MIN_PASSWORD) {
            return wrong(`The new password needs at least ${MIN_PASSWORD} characters.`, "password");
        }
        if (text("password") !== text("again")) return wrong("The two new passwords differ.", "again");
        setBusy(true);
        try {
            await api.changePassword(text("present"), text("password"));
            close();
            notify("ok", "The password is changed", "Your other sessions have ended.");
        } catch (caught) {
            const problem = caught as Problem;
            setBusy(false);
            const present = problem.status === 403;
            wrong(present ? "The present password is wrong." : whyNot(problem), present ? "present" : "password");
        }
    };
    return (
        <Dialog label="Change password" class="password-dialog" onClose={close}>
            <div class="dialog-head">
                <h2>Change password</h2>
                <IconButton icon="close" label="Close" onClick={close} />
            </div>
            <form class="form" noValidate onSubmit={(event) => void submit(event)}>
                <input hidden readOnly autocomplete="username" value={session.value?.user.name} />
                <label for="present">Present password</label>
                <input id="present" name="present" type="password" autocomplete="current-password" required autofocus />
                <label for="password">New password</label>
                <input id="password" name="password" type="password" autocomplete="new-password" minLength={MIN_PASSWORD}
                    aria-describedby="password-hint" required />
                <label for="again">New password again</label>
                <input id="again" name="again" type="password" autocomplete="new-password" required />
                <p class="hint" id="password-hint">At least {MIN_PASSWORD} characters; longer is better than odder. Your other sessions end.</p>
                <FormError text={error} />
                <div class="dialog-buttons">
                    <Button onClick={close}>Cancel</Button>
                    <Button type="submit" kind="primary" busy={busy}>Change password</Button>
                </div>
            </form>
        </Dialog>
    );
}
