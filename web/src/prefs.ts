import { effect, signal, type Signal } from "@preact/signals";

/** A signal that survives a reload. Storage may be refused (private windows): then it lasts for the page. */
export function stored<T extends string>(name: string, initial: T, allowed: readonly T[]): Signal<T> {
    let value = initial;
    try {
        const found = localStorage.getItem(name) as T | null;
        if (found !== null && allowed.includes(found)) value = found;
    } catch {
        return signal(value);
    }
    const result = signal(value);
    effect(() => {
        const next = result.value;
        try {
            localStorage.setItem(name, next);
        } catch {
            // A full storage costs the memory of a preference, nothing else.
        }
    });
    return result;
}
