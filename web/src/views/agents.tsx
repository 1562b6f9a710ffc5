import { href } from "../base";
import { ago, count } from "../format";
import { fleet, now } from "../state";
import type { Agent } from "../types";
import { Empty } from "../ui/controls";
import { Icon } from "../ui/icons";
import { AgentMark } from "../ui/state_mark";
import { Text } from "../ui/text";

function LastSeen({ agent }: { agent: Agent }) {
    if (agent.state === "connected") return <>now</>;
    return <>{ago(agent.last_seen, now.value)}</>;
}

function AgentCard({ agent }: { agent: Agent }) {
    const facts: [string, string | null][] = [
        ["Endpoint", agent.endpoint],
        ["Host", agent.host],
        ["Home", agent.home],
        ["Version", agent.version],
        ["Pid", agent.pid === null ? null : String(agent.pid)],
    ];
    return (
        <li class={`agent-card agent-${agent.state}`}>
            <div class="agent-head">
                <h2>{agent.name}</h2>
                {agent.local && <span class="tag">this machine</span>}
                <AgentMark state={agent.state} />
            </div>
            {agent.error && (
                <p class="agent-error"><Icon name="warn" /><Text>{agent.error}</Text></p>
            )}
            <dl class="facts">
                <div><dt>Last seen</dt><dd class="num"><LastSeen agent={agent} /></dd></div>
                <div><dt>Since</dt><dd class="num">{ago(agent.since, now.value)}</dd></div>
                {facts.map(([name, value]) => value && <div key={name}><dt>{name}</dt><dd class="mono"><Text>{value}</Text></dd></div>)}
            </dl>
            <a class="agent-traffic" href={href(`/agents/${encodeURIComponent(agent.name)}/traffic`)}>
                Traffic<Icon name="right" />
            </a>
            <a class="agent-apps" href={href(`/?agent=${encodeURIComponent(agent.name)}`)}>
                {count(agent.apps, "app")}<Icon name="right" />
            </a>
        </li>
    );
}

export function AgentsView() {
    const agents = fleet.agents.value;
    const away = agents.filter((agent) => agent.state !== "connected").length;
    const troubled = agents.filter((agent) => agent.state === "connected" && agent.error).length;
    return (
        <div class="page">
            <div class="page-head">
                <h1>Agents</h1>
                <span class="muted">
                    {fleet.loaded.value && `${count(agents.length, "agent")}${away ? `, ${away} away` : ", all connected"}`}
                    {troubled > 0 && `, ${troubled} in trouble`}
                </span>
            </div>
            {fleet.loaded.value && agents.length === 0 && (
                <Empty title="No agent yet" command="berth up"
                    text="An agent supervises the apps of one directory. This starts one on this machine and joins it." />
            )}
            <ul class="agent-list">{agents.map((agent) => <AgentCard key={agent.name} agent={agent} />)}</ul>
        </div>
    );
}
