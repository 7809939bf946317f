import styles from "./Bar.module.css";

interface Props {
  /** From 0 to 1. */
  share: number | null;
  text: string;
  tone?: "accent" | "good" | "warn" | "bad";
}

/** A figure with a bar of its share, for columns in which the eye compares. */
export function Bar({ share, text, tone = "accent" }: Props) {
  return (
    <span className={styles.bar}>
      <span className={styles.track} aria-hidden="true">
        <span className={styles.fill} data-tone={tone} style={{ width: `${Math.min(Math.max(share ?? 0, 0), 1) * 100}%` }} />
      </span>
      <span className={styles.text}>{text}</span>
    </span>
  );
}

/** How good a success rate is, as a tone. */
export function toneOf(rate: number | null): "good" | "warn" | "bad" {
  return rate === null || rate >= 0.9 ? "good" : rate >= 0.5 ? "warn" : "bad";
}
