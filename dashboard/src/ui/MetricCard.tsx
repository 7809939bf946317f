import { change as changeText } from "../format/numbers";
import styles from "./MetricCard.module.css";

interface Props {
  title: string;
  value: string;
  detail?: string;
  /** Against the period before, as a fraction; `null` where there was nothing to compare with. */
  change?: number | null;
  /** Whether the change is more than chance; left out where nothing was tested. */
  isSignificant?: boolean;
  /** Whether more is better, worse, or neither: colour follows, and the sign says it too. */
  more?: "better" | "worse" | "neither";
}

/** Below this a change is not worth a colour. */
const NOTABLE = 0.02;

/** One headline figure and how it moved. */
export function MetricCard({ title, value, detail, change, isSignificant, more = "neither" }: Props) {
  return (
    <div className={styles.card}>
      <dt>{title}</dt>
      <dd>
        <span className={styles.value}>{value}</span>
        {change != null && (
          <span className={styles.change} data-mood={isSignificant === false ? "even" : moodOf(change, more)}>
            {changeText(change)} <span className={styles.than}>{thanText(isSignificant)}</span>
          </span>
        )}
        {detail !== undefined && <span className={styles.detail}>{detail}</span>}
      </dd>
    </div>
  );
}

function moodOf(change: number, more: Props["more"]): "good" | "bad" | "even" {
  if (more === "neither" || Math.abs(change) < NOTABLE) return "even";
  return change > 0 === (more === "better") ? "good" : "bad";
}

function thanText(isSignificant: boolean | undefined): string {
  if (isSignificant === undefined) return "to the period before";
  return isSignificant ? "to before, significant" : "to before, within chance";
}
