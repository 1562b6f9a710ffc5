// Compiled, never run: the types say what a user would write.
import { connect, Disconnected, IpcError, type Message } from "..";

export async function use(): Promise<number> {
    const ipc = connect({ app: "a", secret: "s", endpoint: "ipc:///x", onError: () => {} });
    const { ids, known }: { ids: number[]; known: boolean | null } = await ipc.notify("b", { x: 1 }, { ttlMs: 5 });
    const [first] = await ipc.poll<{ x: number }>({ waitMs: 10 });
    for await (const message of ipc.messages<string>()) await message.respond(message.payload.length);
    ipc.listen((message: Message) => message.ack());
    ipc.listen(null, (event) => event.agent, { agent: ["house"] });
    if (first) await first.working().then(() => first.release());
    try {
        return (await ipc.request<number>("b", null)) + (first?.payload.x ?? 0) + (known ? ids.length : 0);
    } catch (error) {
        if (error instanceof Disconnected || (error instanceof IpcError && error.code === 404)) return 0;
        throw error;
    }
}
