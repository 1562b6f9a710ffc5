import { firstLine } from "../readable";

/** A text of somebody's: isolated, so that its direction is its own affair. */
export function Text({ children }: { children: string }) {
    return <bdi>{children}</bdi>;
}

/** The first line of it, the rest on hover. */
export function Line({ children }: { children: string }) {
    return <bdi title={children.includes("\n") ? children : undefined}>{firstLine(children)}</bdi>;
}
