import styles from "./KindTile.module.css";
import type { Kind } from "./steps";

const LETTERS: Readonly<Record<Kind, string>> = { agent: "A", model: "M", tool: "T", remote: "R", decision: "D", code: "C" };
export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  agent: "agent",
  model: "model call",
  tool: "tool",
  remote: "remote call",
  decision: "decision",
  code: "code",
};

/** What kind of work a step is: a letter and its colour. */
export function KindTile({ kind }: { kind: Kind }) {
  return (
    <span className={styles.tile} data-kind={kind} title={KIND_NAMES[kind]}>
      <span aria-hidden="true">{LETTERS[kind]}</span>
      <span className="visually-hidden">{KIND_NAMES[kind]}</span>
    </span>
  );
}
