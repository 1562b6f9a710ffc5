import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { bytes } from "../format";
import { now } from "../state";
import type { AppKey, Metrics } from "../types";
import { Button } from "../ui/controls";

interface Chart {
    label: string;
    series: { name: keyof Omit<Metrics, "time">; label: string; tone: number }[];
    format(value: number): string;
}

const CHARTS: Chart[] = [
    { label: "CPU", series: [{ name: "cpu_percent", label: "CPU", tone: 0 }], format: (v) => `${v.toFixed(v < 10 ? 1 : 0)} %` },
    { label: "Memory", series: [{ name: "rss_bytes", label: "Resident", tone: 0 }, { name: "pss_bytes", label: "With its share of common pages", tone: 1 }], format: bytes },
    { label: "Threads and descriptors", series: [{ name: "threads", label: "Threads", tone: 0 }, { name: "descriptors", label: "Descriptors", tone: 1 }], format: (v) => v.toFixed(0) },
    { label: "Storage", series: [{ name: "read_rate", label: "Read", tone: 0 }, { name: "write_rate", label: "Written", tone: 1 }], format: (v) => `${bytes(v)}/s` },
    { label: "Messages", series: [{ name: "messages_in", label: "In", tone: 0 }, { name: "messages_out", label: "Out", tone: 1 }], format: (v) => `${v.toFixed(v < 10 ? 1 : 0)}/s` },
    { label: "Messages that wait", series: [{ name: "messages", label: "Waiting", tone: 0 }], format: (v) => v.toFixed(0) },
];

const RANGES = [
    { label: "1 h", seconds: 3600, pace: 5 },
    { label: "24 h", seconds: 24 * 3600, pace: 300 },
    { label: "7 d", seconds: 7 * 24 * 3600, pace: 300 },
] as const;
type Range = (typeof RANGES)[number];

/** Points that are further apart than this many paces have a gap between them, which is drawn as one. */
const GAP = 3;

function columns(metrics: Metrics, chart: Chart, pace: number): [number[], ...(number | null)[][]] {
    const times = metrics.time.map((time) => Date.parse(time) / 1000);
    const xs: number[] = [];
    const ys: (number | null)[][] = chart.series.map(() => []);
    times.forEach((time, i) => {
        const before = times[i - 1];
        if (before !== undefined && time - before > GAP * pace) {
            xs.push(before + pace);
            ys.forEach((column) => column.push(null));
        }
        xs.push(time);
        chart.series.forEach(({ name }, s) => ys[s]?.push(metrics[name][i] ?? null));
    });
    return [xs, ...ys];
}

/** A colour of the theme as a canvas takes it: what light-dark() comes to here and now. */
function color(host: Element, name: string): string {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    host.append(probe);
    const resolved = getComputedStyle(probe).color;
    probe.remove();
    return resolved;
}

const TONES = ["--accent", "--warn"];
const FEW = 60;

function Plot({ metrics, chart, range }: { metrics: Metrics; chart: Chart; range: Range }) {
    const ref = useRef<HTMLDivElement>(null);
    useEffect(() => {
        const host = ref.current;
        if (!host) return undefined;
        let gone = false;
        let drop = () => {};
        void Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]).then(([{ default: UPlot }]) => {
            if (gone) return;
            const ink = color(host, "--muted");
            const line = color(host, "--line");
            const end = Date.now() / 1000;
            const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
            const plot = new UPlot({
                width: Math.max(host.clientWidth, 200),
                height: 140,
                legend: { live: true },
                cursor: { sync: { key: "app" }, drag: { x: false, y: false } },
                scales: { x: { range: [end - range.seconds, end] }, y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
                axes: [axis, { ...axis, size: 68, values: (_u, ticks) => ticks.map((v) => chart.format(v)) }],
                series: [
                    {},
                    ...chart.series.map(({ label, tone }) => ({
                        label, stroke: color(host, TONES[tone] ?? "--accent"), width: 1.5, points: { show: metrics.time.length < FEW, size: 3 },
                        value: (_u: unknown, v: number | null) => (v === null ? "–" : chart.format(v)),
                    })),
                ],
            }, columns(metrics, chart, range.pace) as never, host);
            const observer = new ResizeObserver(() => plot.setSize({ width: Math.max(host.clientWidth, 200), height: 140 }));
            observer.observe(host);
            drop = () => {
                observer.disconnect();
                plot.destroy();
            };
        });
        return () => {
            gone = true;
            drop();
        };
    }, [metrics, chart, range]);
    return <div ref={ref} class="plot" aria-hidden="true" />;
}

function Table({ metrics }: { metrics: Metrics }) {
    const step = Math.max(1, Math.floor(metrics.time.length / 12));
    const rows = metrics.time.map((_, i) => i).filter((i) => i % step === 0 || i === metrics.time.length - 1);
    return (
        <div class="chart-table" tabIndex={0} role="region" aria-label="The figures as a table">
            <table>
                <thead><tr><th scope="col">Time</th><th scope="col">CPU</th><th scope="col">Memory</th><th scope="col">Threads</th><th scope="col">Descriptors</th><th scope="col">Messages in</th><th scope="col">out</th></tr></thead>
                <tbody>
                    {rows.map((i) => (
                        <tr key={i}>
                            <td>{new Date(metrics.time[i] ?? "").toLocaleTimeString()}</td>
                            <td class="num">{(metrics.cpu_percent[i] ?? 0).toFixed(1)} %</td>
                            <td class="num">{bytes(metrics.rss_bytes[i] ?? 0)}</td>
                            <td class="num">{metrics.threads[i]}</td>
                            <td class="num">{metrics.descriptors[i]}</td>
                            <td class="num">{(metrics.messages_in[i] ?? 0).toFixed(1)}/s</td>
                            <td class="num">{(metrics.messages_out[i] ?? 0).toFixed(1)}/s</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

export function Charts({ app_key }: { app_key: AppKey }) {
    const [open, setOpen] = useState(false);
    const [range, setRange] = useState<Range>(RANGES[0]);
    const [metrics, setMetrics] = useState<Metrics | null>(null);
    const [asTable, setAsTable] = useState(false);
    const turn = Math.floor(now.value / (range.pace * 1000));
    useEffect(() => {
        if (!open) return undefined;
        let current = true;
        const since = new Date(Date.now() - range.seconds * 1000).toISOString();
        api.metrics(app_key, since).then(
            (found) => current && setMetrics(found),
            // An agent that is away has no new figures; the old ones stay.
            () => {},
        );
        return () => {
            current = false;
        };
    }, [app_key, open, range, turn]);
    return (
        <section class="card charts">
            <details onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
                <summary><h2>Charts</h2></summary>
                <div class="chart-head" role="group" aria-label="Range">
                    {RANGES.map((one) => (
                        <Button key={one.label} pressed={one === range} onClick={() => setRange(one)}>{one.label}</Button>
                    ))}
                    <Button pressed={asTable} onClick={() => setAsTable(!asTable)}>Table</Button>
                </div>
                {metrics && metrics.time.length === 0 && (
                    <p class="muted">Nothing was sampled in this time yet: every 5 s while somebody looks, every 5 minutes otherwise.</p>
                )}
                {metrics && metrics.time.length > 0 && (asTable
                    ? <Table metrics={metrics} />
                    : CHARTS.map((chart) => (
                        <figure key={chart.label} class="chart">
                            <figcaption>{chart.label}</figcaption>
                            <Plot metrics={metrics} chart={chart} range={range} />
                        </figure>
                    )))}
            </details>
        </section>
    );
}
