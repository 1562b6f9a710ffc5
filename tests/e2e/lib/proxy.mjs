// A TCP relay in front of the controller whose cable can be pulled, so that the same tests cut a real connection too.
import { connect, createServer } from "node:net";

export async function startProxy(target) {
    const { hostname, port } = new URL(target);
    const pairs = new Set();
    let down = false;
    const server = createServer((client) => {
        if (down) return client.destroy();
        const upstream = connect(Number(port || 80), hostname);
        const pair = [client, upstream];
        pairs.add(pair);
        const end = () => {
            pairs.delete(pair);
            client.destroy();
            upstream.destroy();
        };
        for (const socket of pair) socket.on("error", end).on("close", end);
        client.pipe(upstream).pipe(client);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        cut() {
            down = true;
            for (const pair of pairs) pair.forEach((socket) => socket.destroy());
        },
        mend() {
            down = false;
        },
        stop() {
            this.cut();
            server.close();
        },
    };
}
