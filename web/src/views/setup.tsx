import { useState } from "preact/hooks";
import { api, Problem } from "../api";
import { signedIn } from "../panel";
import { fragment } from "../router";
import { Button, Command } from "../ui/controls";
import { Logo } from "../ui/icons";
import { FormError, whyNot } from "./login";

export const MIN_PASSWORD = 8;

/** In the fragment, because that part of an address reaches no server log and no Referer header. */
function tokenFromAddress(): string {
    return fragment.value.get("token") ?? "";
}

export function SetUpView() {
    const given = tokenFromAddress();
    const [error, setError] = useState("");
    const [busy, setBusy] = useState(false);
    const [shown, setShown] = useState(false);
    const submit = async (event: SubmitEvent) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget as HTMLFormElement);
        const text = (name: string) => String(form.get(name) ?? "");
        if ([...text("password")].length < MIN_PASSWORD) {
            setError(`The password needs at least ${MIN_PASSWORD} characters.`);
            return;
        }
        setBusy(true);
        try {
            signedIn(await api.setUp(given || text("token").trim(), text("username"), text("password")));
        } catch (caught) {
            setError(whyNot(caught as Problem));
            setBusy(false);
        }
    };
    return (
        <main class="gate">
            <form class="gate-card" noValidate onSubmit={(event) => void submit(event)} aria-labelledby="gate-title">
                <Logo />
                <h1 id="gate-title">Welcome to Berth</h1>
                <p class="gate-note">Choose the first administrator. There is no default password.</p>
                {!given && (
                    <>
                        <label for="token">Setup token</label>
                        <input id="token" name="token" autocomplete="off" required spellcheck={false} />
                        <p class="hint">It is in the link that the controller printed at its first start.</p>
                    </>
                )}
                <label for="username">User name</label>
                <input id="username" name="username" autocomplete="username" autocapitalize="none" value="admin" required />
                <label for="password">Password</label>
                <div class="password">
                    <input id="password" name="password" type={shown ? "text" : "password"} minLength={MIN_PASSWORD}
                        autocomplete="new-password" aria-describedby="password-hint" required />
                    <button type="button" class="button small" aria-pressed={shown} onClick={() => setShown(!shown)}>
                        {shown ? "Hide" : "Show"}
                    </button>
                </div>
                <p class="hint" id="password-hint">At least {MIN_PASSWORD} characters; longer is better than odder.</p>
                <FormError text={error} />
                <Button type="submit" kind="primary" busy={busy}>Create and log in</Button>
                {!given && <details><summary>Where is the link?</summary><Command text="berth up" /></details>}
            </form>
        </main>
    );
}
