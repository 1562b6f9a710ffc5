interface Props {
    values: readonly number[];
    /** The least value that fills the height, so that noise near zero does not look like load. */
    floor: number;
    label: string;
}

const WIDTH = 120;
const HEIGHT = 28;

export function Spark({ values, floor, label }: Props) {
    const top = Math.max(floor, ...values);
    const step = WIDTH / Math.max(1, values.length - 1);
    const points = values.map((v, i) => `${(i * step).toFixed(1)},${(HEIGHT - 1 - (v / top) * (HEIGHT - 3)).toFixed(1)}`);
    return (
        <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
            {values.length > 1 && (
                <>
                    <polygon points={`0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} />
                    <polyline points={points.join(" ")} />
                </>
            )}
        </svg>
    );
}
