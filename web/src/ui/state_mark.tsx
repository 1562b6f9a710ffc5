import type { AgentState, State } from "../types";

// A shape of its own for each state: colour alone says nothing to one reader in twelve.
const SHAPES: Record<State, string> = {
    running: "M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z",
    starting: "M6 1.5a4.5 4.5 0 1 1-4.5 4.5",
    waiting: "M2.5 6h.01M6 6h.01M9.5 6h.01",
    backoff: "M6 1.2 11 10.5H1z",
    stopping: "M10.5 6a4.5 4.5 0 0 1-9 0M6 1.5v3",
    failed: "M2.8 2.8l6.4 6.4M9.2 2.8 2.8 9.2",
    exited: "M2 6.3 4.8 9 10 3.3",
    stopped: "M2.5 2.5h7v7h-7z",
};
const FILLED: readonly State[] = ["running", "backoff"];

export function StateMark({ state, word = state }: { state: State; word?: string }) {
    const kind = FILLED.includes(state) ? "filled" : "line";
    return (
        <span class={`state state-${state}`}>
            <svg class={`state-shape state-${kind}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
                <path d={SHAPES[state]} />
            </svg>
            <span class="state-word">{word}</span>
        </span>
    );
}

const AGENT_LIKE: Record<AgentState, State> = {
    connected: "running",
    connecting: "starting",
    unreachable: "backoff",
    refused: "failed",
    stopped: "stopped",
};

export function AgentMark({ state }: { state: AgentState }) {
    return <StateMark state={AGENT_LIKE[state]} word={state} />;
}
