/** The path that the controller is reached below, "/berth"; "" for none. The controller writes it into the page. */
export const base = document.querySelector<HTMLMetaElement>('meta[name="berth-base"]')?.content ?? "";

/** An address of the panel as a link has it. */
export function href(path: string): string {
    return base + path;
}

/** The path of an address without the base. Below none a proxy was gone around: then it is whole already. */
export function withoutBase(path: string): string {
    if (!base || (path !== base && !path.startsWith(`${base}/`))) return path;
    return path.slice(base.length) || "/";
}
