/** How well every word of `query` is found in `text`; 0: one of them is not. */
export function score(query: string, text: string): number {
    const haystack = text.toLowerCase();
    let total = 1;
    for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
        const found = scoreWord(word, haystack);
        if (found === 0) return 0;
        total += found;
    }
    return total;
}

/** The whole word is best; else its letters in order, where starts of words and runs count more. */
function scoreWord(wanted: string, haystack: string): number {
    const whole = haystack.indexOf(wanted);
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
