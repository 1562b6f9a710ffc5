import { useState } from "preact/hooks";
import { api, Problem } from "../api";
import { href } from "../base";
import { signedIn } from "../panel";
import { setupRequired } from "../state";
import { Button } from "../ui/controls";
import { Icon, Logo } from "../ui/icons";

export function FormError({ text }: { text: string }) {
    return (
        <div class="form-error" role="alert">
            {text && <><Icon name="warn" /><span>{text}</span></>}
        </div>
    );
}

export function whyNot(problem: Problem): string {
    const wait = problem.retryAfter ? ` Try again in ${problem.retryAfter} s.` : "";
    return (problem.detail || problem.title) + wait;
}

export function LogInView() {
    const [error, setError] = useState("");
    const [busy, setBusy] = useState(false);
    const submit = async (event: SubmitEvent) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget as HTMLFormElement);
        setBusy(true);
        try {
            signedIn(await api.logIn(String(form.get("username")), String(form.get("password"))));
        } catch (caught) {
            const problem = caught as Problem;
            setError(problem.status === 401 ? "User name or password is wrong." : whyNot(problem));
            setBusy(false);
            document.getElementById("password")?.focus();
        }
    };
    return (
        <main class="gate">
            <form class="gate-card" onSubmit={(event) => void submit(event)} aria-labelledby="gate-title">
                <Logo />
                <h1 id="gate-title">Log in to Berth</h1>
                {setupRequired.value && (
                    <p class="gate-note">This controller has no user yet. <a href={href("/setup")}>Set it up first</a>.</p>
                )}
                <label for="username">User name</label>
                <input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus />
                <label for="password">Password</label>
                <input id="password" name="password" type="password" autocomplete="current-password" required />
                <FormError text={error} />
                <Button type="submit" kind="primary" busy={busy}>Log in</Button>
            </form>
        </main>
    );
}
