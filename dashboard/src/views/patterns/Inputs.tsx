import type { Schemas } from "../../api/client";
import { count, percent } from "../../format/numbers";
import { Bar, toneOf } from "../../ui/Bar";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { type Column, Table } from "../../ui/Table";
import styles from "./Inputs.module.css";

type Pattern = Schemas["InputPattern"];
type Sample = Schemas["Sample"];

/** What runs were given, and how those fared that were given it. */
export function Inputs({ patterns, sample, overall }: { patterns: readonly Pattern[]; sample: Sample; overall: number }) {
  const note = sample.is_exact
    ? "keys and values of the runs' inputs"
    : `estimated from ${count(sample.sampled)} of ${count(sample.executions)} runs`;
  return (
    <Panel title="Inputs" note={note}>
      {patterns.length === 0 ? (
        <Notice title="No inputs were recorded">
          Inputs are told by instrumentations that capture content, and by the attribute stepwell.input.
        </Notice>
      ) : (
        <Table label="Inputs" columns={columnsOf(sample.executions, overall)} rows={patterns} keyOf={keyOf} />
      )}
    </Panel>
  );
}

function columnsOf(runs: number, overall: number): readonly Column<Pattern>[] {
  return [
    { id: "key", label: "Key", isName: true, show: (pattern) => <code>{pattern.input_key}</code> },
    {
      id: "value",
      label: "Value",
      isName: true,
      show: ({ input_value: value }) => (value === null ? <span className={styles.any}>any value</span> : <code>{value}</code>),
    },
    {
      id: "runs",
      label: "Runs",
      isNumber: true,
      show: ({ usage_count: used }) => <Bar share={used / Math.max(runs, 1)} text={count(used)} />,
    },
    {
      id: "success",
      label: "Success",
      isNumber: true,
      show: ({ success_rate: rate }) => <Bar share={rate} text={percent(rate)} tone={toneOf(rate)} />,
    },
    {
      id: "against",
      label: "Against all runs",
      hint: "Difference of the success rates in percentage points",
      isNumber: true,
      show: ({ success_rate: rate }) => points(rate - overall),
    },
  ];
}

function keyOf(pattern: Pattern): string {
  return JSON.stringify([pattern.input_key, pattern.input_value]);
}

function points(difference: number): string {
  const size = Math.abs(difference * 100);
  if (size < 0.05) return "±0 pp";
  return `${difference > 0 ? "+" : "−"}${size.toFixed(1)} pp`;
}
