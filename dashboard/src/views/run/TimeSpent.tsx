import { useMemo, useState } from "react";

import { count, duration, percent } from "../../format/numbers";
import { KIND_NAMES, KindTile } from "./KindTile";
import styles from "./TimeSpent.module.css";
import { type Spent, type Step, timeSpent } from "./steps";

const NAMED = 5;
const WAYS: readonly ("name" | "kind")[] = ["name", "kind"];

/** Where the time went: what the steps took by themselves, added up by name or by kind. */
export function TimeSpent({ steps, nowMs, find }: { steps: readonly Step[]; nowMs: number; find: (name: string) => void }) {
  const [by, setBy] = useState<"name" | "kind">("name");
  const spent = useMemo(() => timeSpent(steps, by, nowMs), [steps, by, nowMs]);
  const wholeMs = spent.reduce((sum, { selfMs }) => sum + selfMs, 0);
  if (wholeMs === 0) return null;
  const [named, others] = [spent.slice(0, NAMED), spent.slice(NAMED)];
  const othersMs = others.reduce((sum, { selfMs }) => sum + selfMs, 0);
  return (
    <section className={styles.spent} aria-labelledby="time-spent">
      <div className={styles.head}>
        <h2 id="time-spent">Where the time went</h2>
        <div className={styles.choice} role="group" aria-label="Added up by">
          {WAYS.map((way) => (
            <button
              key={way}
              type="button"
              aria-pressed={by === way}
              onClick={() => {
                setBy(way);
              }}
            >
              by {way === "name" ? "step" : "kind"}
            </button>
          ))}
        </div>
      </div>
      <div className={styles.bar} aria-hidden="true">
        {named.map((each) => (
          <span key={`${each.kind} ${each.name}`} data-kind={each.kind} style={{ flexGrow: each.selfMs }} />
        ))}
        {othersMs > 0 && <span style={{ flexGrow: othersMs }} />}
      </div>
      <ul className={styles.list}>
        {named.map((each) => (
          <li key={`${each.kind} ${each.name}`}>
            <Share spent={each} by={by} share={each.selfMs / wholeMs} find={find} />
          </li>
        ))}
        {others.length > 0 && (
          <li>
            <span className={styles.others}>{others.length === 1 ? "1 other" : `${others.length} others`}</span>
            <span className={styles.figures}>
              {percent(othersMs / wholeMs)} · {duration(othersMs)}
            </span>
          </li>
        )}
      </ul>
    </section>
  );
}

function Share({ spent, by, share, find }: { spent: Spent; by: "name" | "kind"; share: number; find: (name: string) => void }) {
  const title = by === "kind" ? KIND_NAMES[spent.kind] : spent.name;
  return (
    <>
      <KindTile kind={spent.kind} />
      {by === "kind" ? (
        <span className={styles.name}>{title}</span>
      ) : (
        <button
          type="button"
          className={styles.name}
          onClick={() => {
            find(spent.name);
          }}
        >
          {title}
        </button>
      )}
      <span className={styles.figures}>
        {percent(share)} · {duration(spent.selfMs)} · {count(spent.count)}×
        {spent.wrong > 0 && <strong className={styles.wrong}> {count(spent.wrong)} failed</strong>}
      </span>
    </>
  );
}
