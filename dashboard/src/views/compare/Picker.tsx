import { useNavigate } from "@tanstack/react-router";

import type { Scope } from "../../api/queries";
import { count } from "../../format/numbers";
import { readCompare } from "../../search";
import { localTime, timeMs } from "../../time/local";
import { Choice } from "../../ui/Choice";
import styles from "./Compare.module.css";
import { type Facets, KINDS, KIND_LABELS, type Kind, partsOf, periodsOf, sideOf, valuesOf } from "./sides";

interface Props {
  a: string;
  b: string;
  scope: Scope;
  facets: Facets | undefined;
}

const CHOICES = KINDS.map((value) => ({ value, label: KIND_LABELS[value] }));

/** Chooses what is set against what; the URL keeps it. */
export function Picker({ a, b, scope, facets }: Props) {
  const navigate = useNavigate({ from: "/agents/$agentId/compare" });
  const sides = { a: partsOf(a), b: partsOf(b) };
  const { kind } = sides.a;
  const known = valuesOf(kind, facets);

  function show(chosen: { a?: string; b?: string }) {
    void navigate({ search: (before) => readCompare({ ...before, a, b, ...chosen }) });
  }
  function choose(chosen: Kind) {
    const [before, now] = periodsOf(scope.window);
    show(chosen === "window" ? { a: before, b: now } : { a: sideOf(chosen, ""), b: sideOf(chosen, "") });
  }

  return (
    <div className={styles.picker}>
      <Choice label="What is compared" choices={CHOICES} value={kind} choose={choose} />
      {(["a", "b"] as const).map((name) => (
        <SideField
          key={`${name} ${kind} ${sides[name].value}`}
          name={name}
          kind={kind}
          value={sides[name].value}
          known={known}
          choose={(value) => {
            show({ [name]: sideOf(kind, value) });
          }}
        />
      ))}
      <button
        type="button"
        onClick={() => {
          show({ a: b, b: a });
        }}
      >
        Swap
      </button>
    </div>
  );
}

interface FieldProps {
  name: string;
  kind: Kind;
  value: string;
  known: readonly { value: string; executions: number }[];
  choose: (value: string) => void;
}

function SideField({ name, kind, value, known, choose }: FieldProps) {
  const label = name.toUpperCase();
  if (kind === "window") return <Period label={label} value={value} choose={choose} />;
  if (kind === "execution") {
    return (
      <label>
        {label}
        <input
          defaultValue={value}
          placeholder="id of a run or of its trace"
          onBlur={(event) => {
            if (event.target.value.trim() !== value) choose(event.target.value.trim());
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") choose(event.currentTarget.value.trim());
          }}
        />
      </label>
    );
  }
  const isKnown = known.some((each) => each.value === value);
  return (
    <label>
      {label}
      <select
        value={value}
        onChange={(event) => {
          choose(event.target.value);
        }}
      >
        {!isKnown && <option value={value}>{value === "" ? `choose a ${kind}` : value}</option>}
        {known.map((each) => (
          <option key={each.value} value={each.value}>
            {each.value} ({count(each.executions)} runs)
          </option>
        ))}
      </select>
    </label>
  );
}

/** Two times in the reader's zone. */
function Period({ label, value, choose }: { label: string; value: string; choose: (value: string) => void }) {
  const [from = "", to = ""] = value.split("/");
  function change(start: string, stop: string) {
    const [startMs, stopMs] = [timeMs(start), timeMs(stop)];
    if (startMs === null || stopMs === null || startMs >= stopMs) return;
    choose(`${new Date(startMs).toISOString()}/${new Date(stopMs).toISOString()}`);
  }
  return (
    <div className={styles.period} role="group" aria-label={label}>
      <label>
        {label} from
        <input
          type="datetime-local"
          defaultValue={localTime(from)}
          onBlur={(event) => {
            change(event.target.value, localTime(to));
          }}
        />
      </label>
      <label>
        to
        <input
          type="datetime-local"
          defaultValue={localTime(to)}
          onBlur={(event) => {
            change(localTime(from), event.target.value);
          }}
        />
      </label>
    </div>
  );
}
