import { effect, signal } from "@preact/signals";
import { stored } from "./prefs";

export type Theme = "auto" | "light" | "dark";

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);

export const theme = stored<Theme>("berth.theme", "auto", ["auto", "light", "dark"]);

export function isDark(): boolean {
    return theme.value === "dark" || (theme.value === "auto" && systemDark.value);
}

export function nextTheme(): void {
    theme.value = theme.value === "auto" ? (isDark() ? "light" : "dark") : theme.value === "dark" ? "light" : "auto";
}

export function startTheme(): void {
    system.addEventListener("change", () => {
        systemDark.value = system.matches;
    });
    effect(() => {
        document.documentElement.dataset["theme"] = theme.value;
    });
}
