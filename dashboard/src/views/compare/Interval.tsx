import { type Difference, signed } from "./figures";
import styles from "./Interval.module.css";

const [WIDTH, HEIGHT] = [120, 14];

/** The 95 % interval of a difference around zero: where it does not touch the middle, the sides differ. */
export function Interval({ difference }: { difference: Difference }) {
  const { low, high, difference: value } = difference;
  if (low === null || high === null || value === null) return null;
  const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const at = (figure: number) => WIDTH / 2 + (figure / reach) * (WIDTH / 2 - 4);
  const text = `95 % interval ${signed(difference, low)} to ${signed(difference, high)}`;
  return (
    <svg className={styles.interval} width={WIDTH} height={HEIGHT} role="img" aria-label={text} data-clear={low > 0 || high < 0}>
      <title>{text}</title>
      <line className={styles.zero} x1={WIDTH / 2} x2={WIDTH / 2} y1={0} y2={HEIGHT} />
      <line x1={at(low)} x2={at(high)} y1={HEIGHT / 2} y2={HEIGHT / 2} />
      <circle cx={at(value)} cy={HEIGHT / 2} r={3.5} />
    </svg>
  );
}
