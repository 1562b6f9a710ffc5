import { question } from "../actions";
import { api, Problem } from "../api";
import { notify } from "../notify";
import { fleet, mayAct } from "../state";
import type { App } from "../types";
import { Button } from "../ui/controls";

async function scale(app: App, count: number): Promise<void> {
    try {
        await api.scale(app.agent, app.instance_of, count);
    } catch (error) {
        notify("error", `${app.instance_of}: ${error instanceof Problem ? error.message : String(error)}`);
    }
}

/** The instances with the highest numbers go, with what they have written. */
function askFewer(app: App, count: number): void {
    question.value = {
        title: `Forget ${app.instance_of}.${count}?`,
        text: `It is stopped when it runs, and its entry and its logs are removed. ${count - 1} of ${count} instances stay.`,
        button: "One fewer", danger: true, yes: () => void scale(app, count - 1),
    };
}

/** How many there are of it, with a way to have more or fewer. Nothing for an app that is only one. */
export function Instances({ app }: { app: App }) {
    if (!app.instance_of) return null;
    const count = fleet.list.value.filter((other) => other.agent === app.agent && other.instance_of === app.instance_of).length;
    return (
        <div class="instances" role="group" aria-label="Instances">
            <span>{app.instance_of}: <strong class="num">{count}</strong> {count === 1 ? "instance" : "instances"}</span>
            {mayAct.value && (
                <>
                    <Button disabled={app.stale || count <= 1} onClick={() => askFewer(app, count)}>One fewer</Button>
                    <Button disabled={app.stale} onClick={() => void scale(app, count + 1)}>One more</Button>
                </>
            )}
        </div>
    );
}
