import styles from "./Status.module.css";

export type StatusWord = "pending" | "running" | "success" | "failed" | "timeout" | "cancelled";

export const STATUSES: readonly StatusWord[] = ["pending", "running", "success", "failed", "timeout", "cancelled"];

/** Colour is never the only sign: each status has a mark of its own, and its word. */
export const MARKS: Readonly<Record<StatusWord, string>> = {
  pending: "…",
  running: "▶",
  success: "✓",
  failed: "✕",
  timeout: "◔",
  cancelled: "⊘",
};

/** How a run or step fared. */
export function Status({ status }: { status: StatusWord }) {
  return (
    <span className={styles.status} data-status={status}>
      <span aria-hidden="true">{MARKS[status]}</span> {status}
    </span>
  );
}
