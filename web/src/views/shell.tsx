import { useEffect } from "preact/hooks";
import { question } from "../actions";
import { href } from "../base";
import { duration } from "../format";
import { dismiss, toasts, unread } from "../notify";
import { live, logOut, overlay } from "../panel";
import { route } from "../router";
import { fleet, now, session } from "../state";
import { nextTheme, theme } from "../theme";
import { Button, Empty, IconButton } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { Icon, Logo } from "../ui/icons";
import { Text } from "../ui/text";
import { AgentsView } from "./agents";
import { AppView } from "./app";
import { AppsView } from "./apps";
import { HelpDialog } from "./help";
import { LogInView } from "./login";
import { NoticeList } from "./notices";
import { Palette } from "./palette";
import { PasswordDialog } from "./password";
import { SetUpView } from "./setup";
import { TrafficView } from "./traffic";

/** A link that recovers at once is not worth a banner that flashes. */
const PATIENCE_MS = 1000;

function NavLink({ to, label, icon, on }: { to: string; label: string; icon: "apps" | "agents"; on: boolean }) {
    return (
        <a href={href(to)} class="nav-link" aria-current={on ? "page" : undefined}>
            <Icon name={icon} />
            <span>{label}</span>
        </a>
    );
}

function LinkState() {
    const link = fleet.link.value;
    const word = link === "live" ? "Live" : link === "lost" ? "Offline" : "Connecting";
    return (
        <span class={`link-state link-${link}`} title={`Connection to the controller: ${word.toLowerCase()}`}>
            <span class="link-dot" aria-hidden="true" />
            <span>{word}</span>
        </span>
    );
}

function TopBar() {
    const page = route.value.page;
    const icon = theme.value === "auto" ? "auto" : theme.value === "dark" ? "moon" : "sun";
    return (
        <header class="top-bar">
            <a href={href("/")} class="brand" aria-label="Berth, to the apps"><Logo /><span>Berth</span></a>
            <nav aria-label="Pages">
                <NavLink to="/" label="Apps" icon="apps" on={page === "apps" || page === "app"} />
                <NavLink to="/agents" label="Agents" icon="agents" on={page === "agents" || page === "traffic"} />
            </nav>
            <button type="button" class="palette-button" onClick={() => (overlay.value = "palette")}
                aria-keyshortcuts="Control+K Meta+K" title="Command palette">
                <Icon name="search" /><span>Go to or run…</span><kbd aria-hidden="true">Ctrl K</kbd>
            </button>
            <LinkState />
            <IconButton icon={icon} label={`Theme: ${theme.value}`} onClick={nextTheme} />
            <span class="bell">
                <IconButton icon="bell" label={unread.value ? `Notifications, ${unread.value} new` : "Notifications"}
                    onClick={() => (overlay.value = overlay.value === "notices" ? "none" : "notices")} />
                {unread.value > 0 && <span class="bell-count" aria-hidden="true">{unread.value}</span>}
            </span>
            <span class="help-button">
                <IconButton icon="help" label="Keyboard help" onClick={() => (overlay.value = "help")} />
            </span>
            <button type="button" class="user" title={`Signed in as ${session.value?.user.name}, ${session.value?.user.role}`}
                aria-label={`${session.value?.user.name}: change password`} onClick={() => (overlay.value = "password")}>
                {session.value?.user.name}
            </button>
            <IconButton icon="out" label="Log out" onClick={() => void logOut()} />
        </header>
    );
}

function ReconnectBanner() {
    if (fleet.link.value !== "lost") return null;
    const age = now.value - fleet.lastFrame.value;
    if (age < PATIENCE_MS) return null;
    return (
        <div class="banner" role="status">
            <Icon name="warn" />
            <span>
                <strong>Reconnecting</strong>
                {fleet.loaded.value && <>, data is <span class="num">{duration(age)}</span> old. Apps keep running.</>}
            </span>
            <button type="button" class="button small" onClick={live.retryNow}>Try now</button>
        </div>
    );
}

function Toasts() {
    return (
        <div class="toasts" role="region" aria-label="Messages" aria-live="polite">
            {toasts.value.map((toast) => (
                <div key={toast.id} class={`toast toast-${toast.kind}`}>
                    <Icon name={toast.kind === "error" ? "warn" : toast.kind === "ok" ? "check" : "clock"} />
                    <div>
                        <strong><Text>{toast.title}</Text></strong>
                        {toast.detail && <p><Text>{toast.detail}</Text></p>}
                    </div>
                    <IconButton icon="close" label="Dismiss" onClick={() => dismiss(toast.id)} />
                </div>
            ))}
        </div>
    );
}

function Confirm() {
    const asked = question.value;
    if (!asked) return null;
    const close = () => (question.value = null);
    return (
        <Dialog label={asked.title} class="confirm" onClose={close}>
            <h2><Text>{asked.title}</Text></h2>
            <p><Text>{asked.text}</Text></p>
            <div class="dialog-buttons">
                <Button onClick={close}>Cancel</Button>
                <Button kind={asked.danger ? "danger" : "primary"} onClick={() => {
                    close();
                    asked.yes();
                }}>{asked.button}</Button>
            </div>
        </Dialog>
    );
}

function Page() {
    const at = route.value;
    switch (at.page) {
        case "apps": return <AppsView />;
        case "app": return <AppView key={`${at.agent}/${at.id}`} app={`${at.agent}/${at.id}`} />;
        case "agents": return <AgentsView />;
        case "traffic": return <TrafficView key={at.agent} agent={at.agent} />;
        case "setup":
        case "login":
        case "unknown":
            return <Empty title="There is no such page" text="The address may be old or mistyped. The apps are one click away." />;
    }
}

function titleOf(): string {
    const at = route.value;
    if (at.page === "app") return `${at.id} · ${at.agent} · Berth`;
    if (at.page === "traffic") return `Traffic · ${at.agent} · Berth`;
    const titles = { apps: "Apps", agents: "Agents", setup: "Set up", login: "Log in", unknown: "Not found" };
    return `${titles[at.page]} · Berth`;
}

export function Panel() {
    const title = titleOf();
    useEffect(() => {
        document.title = title;
    }, [title]);
    if (session.value === undefined) return <div class="opening" role="status">Opening the panel…</div>;
    if (session.value === null) return route.value.page === "setup" ? <SetUpView /> : <LogInView />;
    return (
        <>
            <a class="skip" href="#main">Skip to the content</a>
            <TopBar />
            <ReconnectBanner />
            <main id="main" tabIndex={-1}><Page /></main>
            {overlay.value === "palette" && <Palette />}
            {overlay.value === "help" && <HelpDialog />}
            {overlay.value === "password" && <PasswordDialog />}
            {overlay.value === "notices" && <NoticeList />}
            <Confirm />
            <Toasts />
        </>
    );
}
