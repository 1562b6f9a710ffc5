// What the API speaks, under the names that the panel calls it by: openapi.ts is the API's own description of it. What is
// written out here is not described there.
import type { components } from "./openapi";

type Schemas = components["schemas"];

export type Agent = Schemas["Agent"];
export type AgentState = Agent["state"];
export type App = Schemas["App"];
export type AppDetails = Schemas["AppDetails"];
export type State = Schemas["AppState"];
/** What waits for an app; rates are a second, totals since the agent's start. */
export type MailboxFigures = Schemas["MailboxFigures"];
export type Mailboxes = Schemas["Mailboxes"];
export type Mailbox = Mailboxes["mailboxes"][number];
export type Messages = Schemas["Messages"];
export type WaitingMessage = Messages["messages"][number];
export type SentMessage = Schemas["SentMessage"];
export type Resent = Schemas["Resent"];
export type Removed = Schemas["Removed"];
export type Trace = Schemas["Trace"];
export type TraceEntry = Trace["entries"][number];
export type Explanation = Schemas["Explanation"];
/** A column each, all of one length. */
export type Metrics = Schemas["Metrics"];
export type Crashes = Schemas["Crashes"];
export type Crash = Crashes["crashes"][number];
export type LogLine = Schemas["LogLine"];
export type Logs = Schemas["Logs"];
export type Session = Schemas["Session"];
export type Scaled = Schemas["Scaled"];
export type ActionResult = Schemas["ActionResult"];
/** The panel has no button for reload. */
export type VerbName = Exclude<Schemas["BulkAction"]["verb"], "reload">;

export type BulkResult = Schemas["BulkResult"]["results"][number] & {
    /** What the panel adds: it was so already. */
    already?: boolean;
};

/** All there are, in the order in which they are shown: one that is missing here does not compile. */
export const STATES = Object.keys({
    running: true, starting: true, waiting: true, backoff: true, stopping: true, failed: true, exited: true, stopped: true,
} satisfies Record<State, true>) as State[];

export type ServerFrame =
    | { type: "hello"; version: string; seq: number }
    | { type: "snapshot"; seq: number; agents: Agent[]; apps: App[] }
    | {
          type: "delta";
          seq: number;
          agents?: Agent[];
          apps?: App[];
          removed?: string[];
          removed_agents?: string[];
      }
    | { type: "log"; app: string; lines: LogLine[]; skipped?: number; reset?: boolean }
    | { type: "log_error"; app: string; error: string }
    | { type: "error"; error: string }
    | { type: "ping" }
    | { type: "bye"; reason: string };

export type ClientFrame =
    | { type: "follow"; app: string; tail: number }
    | { type: "unfollow"; app: string };

/** "agent/id": how an app is named across agents. */
export type AppKey = string;

export function keyOf(app: { agent: string; id: string }): AppKey {
    return `${app.agent}/${app.id}`;
}
