import { cost, duration } from "../../format/numbers";
import { LIST_FILTERS, type RunsSearch } from "../../search";
import type { Change } from "./Runs";
import styles from "./Runs.module.css";
import { LABELS } from "./labels";

interface Chip {
  text: string;
  left: Parameters<Change>[0];
}

/** The filters that hold beside search and status; a click takes one away. */
export function Chips({ search, change }: { search: RunsSearch; change: Change }) {
  const chips = chipsOf(search);
  if (chips.length === 0) return null;
  return (
    <ul className={styles.chips} aria-label="Filters that hold">
      {chips.map(({ text, left }) => (
        <li key={text}>
          <button
            type="button"
            onClick={() => {
              change(left);
            }}
          >
            {text} <span aria-hidden="true">✕</span>
            <span className="visually-hidden">remove this filter</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function chipsOf(search: RunsSearch): Chip[] {
  const lists = (["agent", "error", "environment", "version", ...LIST_FILTERS] as const).flatMap((name) =>
    (search[name] ?? []).map((value) => ({
      text: `${LABELS[name]}: ${value}`,
      left: { [name]: (search[name] ?? []).filter((each) => each !== value) },
    })),
  );
  const { path, min_duration_ms: least, max_duration_ms: most, min_cost_usd: dearest } = search;
  return [
    ...lists,
    ...(path === undefined ? [] : [{ text: `Path: ${path}`, left: { path: undefined } }]),
    ...(least === undefined ? [] : [{ text: `at least ${duration(least)}`, left: { min_duration_ms: undefined } }]),
    ...(most === undefined ? [] : [{ text: `at most ${duration(most)}`, left: { max_duration_ms: undefined } }]),
    ...(dearest === undefined ? [] : [{ text: `at least ${cost(dearest)}`, left: { min_cost_usd: undefined } }]),
  ];
}
