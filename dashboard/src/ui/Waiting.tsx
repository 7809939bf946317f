import styles from "./Waiting.module.css";

/** Stands where something will be once it has come. */
export function Waiting({ what }: { what: string }) {
  return (
    <div role="status" className={styles.waiting}>
      <span className="visually-hidden">Loading {what} …</span>
      <div className={styles.bar} />
      <div className={styles.bar} />
      <div className={styles.bar} />
    </div>
  );
}
