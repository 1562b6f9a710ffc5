/** How well the letters of `query` appear in `text`, in order; 0: they do not. Starts of words and runs count more. */
export function score(query: string, text: string): number {
    const wanted = query.toLowerCase().replace(/\s+/g, "");
    if (!wanted) return 1;
    const haystack = text.toLowerCase();
    const whole = haystack.indexOf(query.toLowerCase().trim());
    if (whole >= 0) return 1000 - whole - haystack.length / 100;
    let total = 0;
    let at = 0;
    let run = 0;
    for (const letter of wanted) {
        const found = haystack.indexOf(letter, at);
        if (found < 0) return 0;
        run = found === at ? run + 1 : 0;
        const wordStart = found === 0 || /[\s/._-]/.test(haystack[found - 1] ?? "");
        total += 1 + run * 2 + (wordStart ? 4 : 0);
        at = found + 1;
    }
    return total;
}
