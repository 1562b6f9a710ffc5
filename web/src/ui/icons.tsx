// 16 px line icons, drawn here: one request and one licence less.
const PATHS = {
    play: "M5 3.2v9.6l7.5-4.8z",
    stop: "M4 4h8v8H4z",
    restart: "M12.8 8a4.8 4.8 0 1 1-1.5-3.5M12.8 2.2v2.8H10",
    kill: "M9 1.8 3.8 9H8l-1 5.2L12.2 7H8z",
    trash: "M3 4.5h10M6.5 4.5V2.8h3v1.7M4.3 4.5l.6 8.7h6.2l.6-8.7",
    search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9M10.3 10.3l3.2 3.2",
    bell: "M4.2 10.8V7a3.8 3.8 0 0 1 7.6 0v3.8l1.2 1.4H3zM6.7 14h2.6",
    sun: "M8 10.7a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
    moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z",
    auto: "M8 2.2a5.8 5.8 0 1 0 0 11.6zM8 2.2a5.8 5.8 0 0 1 0 11.6",
    download: "M8 2.5v7.5M4.8 7.2 8 10.3l3.2-3.1M3 13.3h10",
    pause: "M5.5 3.5v9M10.5 3.5v9",
    down: "M8 3v9.5M4.3 9 8 12.7 11.7 9",
    wrap: "M2.5 4h11M2.5 8h8.7a2.2 2.2 0 0 1 0 4.4H8.5M10 10.7l-1.7 1.7L10 14M2.5 12.4H5",
    clock: "M8 13.8A5.8 5.8 0 1 0 8 2.2a5.8 5.8 0 0 0 0 11.6M8 4.8V8l2.2 1.5",
    copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
    close: "M4 4l8 8M12 4l-8 8",
    check: "M3 8.5l3.3 3.3L13 4.8",
    up: "M4 10l4-4 4 4",
    next: "M4 6l4 4 4-4",
    right: "M6 4l4 4-4 4",
    apps: "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
    agents: "M2.5 2.8h11v4h-11zM2.5 9.2h11v4h-11zM5 4.8h.1M5 11.2h.1",
    out: "M6.5 2.5h-4v11h4M6.5 8h7M10.8 5.3 13.5 8l-2.7 2.7",
    warn: "M8 2.3 14.3 13.3H1.7zM8 6.5v3.2M8 11.5v.1",
    help: "M6 6.2a2 2 0 1 1 2.7 1.9c-.5.2-.7.5-.7 1.2M8 11.5v.1M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12",
    key: "M10.5 8.5a3 3 0 1 0-3-3c0 .4.1.8.2 1.1L2.5 11.8v1.7h2.2v-1.7h1.7v-1.7l1.5-1.4c.7.5 1.6.8 2.6-.2M11.2 4.7v.1",
    filter: "M2.5 3.5h11L9.3 8.5v4.5l-2.6-1.3V8.5z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, label }: { name: IconName; label?: string }) {
    const solid = name === "play" || name === "stop";
    return (
        <svg class={solid ? "icon icon-solid" : "icon"} viewBox="0 0 16 16" width="16" height="16"
            role={label ? "img" : undefined} aria-label={label} aria-hidden={label ? undefined : "true"}>
            <path d={PATHS[name]} />
        </svg>
    );
}

export function Logo() {
    return (
        <svg class="logo" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M16 7v17M11 11.5h10M7.5 18c.6 4 4 6.5 8.5 6.5s7.9-2.5 8.5-6.5" />
            <circle cx="16" cy="7.6" r="2.4" />
        </svg>
    );
}
