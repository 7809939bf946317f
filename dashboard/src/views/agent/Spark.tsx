import type { Schemas } from "../../api/client";
import styles from "./Spark.module.css";

type Bucket = Schemas["TrendBucket"];
const [WIDTH, HEIGHT] = [140, 28];

/** How often something was, over the window: a bar for each stretch. */
export function Spark({ buckets }: { buckets: readonly Bucket[] }) {
  const highest = Math.max(...buckets.map(({ count }) => count), 1);
  const width = WIDTH / Math.max(buckets.length, 1);
  const text = `From stretch to stretch: ${buckets.map(({ count }) => count).join(", ")}`;
  return (
    <svg className={styles.spark} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={text}>
      {buckets.map(({ start, count }, place) => {
        const height = (count / highest) * HEIGHT;
        return <rect key={start} x={place * width} y={HEIGHT - height} width={Math.max(width - 1, 0.5)} height={height} />;
      })}
    </svg>
  );
}
