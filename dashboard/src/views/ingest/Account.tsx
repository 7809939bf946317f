import type { Schemas } from "../../api/client";
import type { Signal } from "../../api/ingest";
import { UNKNOWN, count } from "../../format/numbers";
import styles from "./Account.module.css";

type Counts = Schemas["IngestCounts"];

interface Term {
  sign: string;
  label: string;
  value: number | null;
  tone?: "bad" | "good";
}

/** The two sums that always hold: what came, and what is left of it. */
export function Account({ totals, signal }: { totals: Counts; signal: Signal }) {
  const came: readonly Term[] = [
    { sign: "", label: "received", value: totals.received },
    { sign: "=", label: "stored", value: totals.stored, tone: "good" },
    { sign: "+", label: "known already", value: totals.duplicate },
    { sign: "+", label: "rejected", value: totals.rejected, ...(totals.rejected > 0 ? { tone: "bad" } : {}) },
  ];
  const left: readonly Term[] = [
    { sign: "", label: "there now", value: totals.kept },
    { sign: "=", label: "stored", value: totals.stored },
    { sign: "−", label: "live, replaced by their end", value: totals.replaced },
    { sign: "−", label: "deleted again", value: totals.dropped },
  ];
  const notes: readonly (readonly [string, number])[] = [
    ["came late, over 5 minutes after their end", totals.late],
    ["wait for their parent", totals.orphaned],
    ["tokens were told twice and are counted once", totals.excluded_prompt_tokens + totals.excluded_completion_tokens],
    ["requests were refused as a whole", totals.refused_requests],
  ];
  return (
    <section className={styles.account} aria-label="The account">
      <Sum terms={came} />
      {signal !== "metrics" && <Sum terms={left} />}
      <ul className={styles.notes}>
        {notes.map(([text, value]) => (
          <li key={text}>
            <strong>{count(value)}</strong> {text}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sum({ terms }: { terms: readonly Term[] }) {
  return (
    <dl className={styles.sum}>
      {terms.map(({ sign, label, value, tone }) => (
        <div key={label} data-tone={tone}>
          <dt>
            {sign !== "" && <span className={styles.sign}>{sign}</span>} {label}
          </dt>
          <dd>{value === null ? UNKNOWN : value.toLocaleString()}</dd>
        </div>
      ))}
    </dl>
  );
}
