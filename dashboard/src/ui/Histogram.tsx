import { count, duration } from "../format/numbers";
import styles from "./Histogram.module.css";

export interface Bucket {
  from_ms: number;
  /** `null` for the last bucket, which is open. */
  to_ms: number | null;
  count: number;
}

const WIDTH = 600;
const HEIGHT = 140;

/** How durations are spread: a bar for each bucket of a logarithmic scale. */
export function Histogram({ buckets }: { buckets: readonly Bucket[] }) {
  const highest = Math.max(...buckets.map((bucket) => bucket.count), 1);
  const width = WIDTH / Math.max(buckets.length, 1);
  const [first, last] = [buckets[0], buckets[buckets.length - 1]];
  return (
    <figure className={styles.figure}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={summaryOf(buckets)}>
        {buckets.map((bucket, place) => {
          const height = bucket.count === 0 ? 0 : Math.max((bucket.count / highest) * HEIGHT, 1.5);
          return (
            <rect
              key={bucket.from_ms}
              x={place * width + 0.5}
              y={HEIGHT - height}
              width={Math.max(width - 1, 0.5)}
              height={height}
            >
              <title>{`${rangeOf(bucket)}: ${count(bucket.count)} runs`}</title>
            </rect>
          );
        })}
      </svg>
      <figcaption className={styles.axis} aria-hidden="true">
        <span>{duration(first?.from_ms)}</span>
        <span>{last?.to_ms == null ? "longer" : duration(last.to_ms)}</span>
      </figcaption>
    </figure>
  );
}

function summaryOf(buckets: readonly Bucket[]): string {
  const most = buckets.reduce<Bucket | undefined>((best, each) => (each.count > (best?.count ?? 0) ? each : best), undefined);
  return most === undefined ? "No durations are known." : `Durations; most runs, ${count(most.count)}, took ${rangeOf(most)}.`;
}

function rangeOf(bucket: Bucket): string {
  const from = duration(bucket.from_ms);
  return bucket.to_ms === null ? `${from} or longer` : `${from} to ${duration(bucket.to_ms)}`;
}
