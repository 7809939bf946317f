import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";

import { count, cost, memory } from "../format/numbers";
import { RESOURCES, type Resource } from "../search";
import { Choice } from "../ui/Choice";
import { Panel } from "../ui/Panel";
import { type Series, TimeChart } from "../ui/TimeChart";
import { type Analytics, everyHour, spread } from "./figures";

type Hour = Analytics["resources"][number];

interface Shown {
  label: string;
  lines: readonly { label: string; colour: string; valueOf: (hour: Hour) => number | null; isDashed?: boolean }[];
  format: (value: number | null) => string;
}

const SHOWN: Readonly<Record<Resource, Shown>> = {
  tokens: {
    label: "Tokens",
    format: count,
    lines: [
      { label: "Input tokens", colour: "--info", valueOf: (hour) => hour.prompt_tokens },
      { label: "Output tokens", colour: "--accent", valueOf: (hour) => hour.completion_tokens, isDashed: true },
    ],
  },
  cost: { label: "Cost", format: cost, lines: [{ label: "Cost", colour: "--good", valueOf: (hour) => hour.cost_usd }] },
  credits: { label: "Credits", format: count, lines: [{ label: "Credits", colour: "--warn", valueOf: (hour) => hour.credits }] },
  memory: {
    label: "Memory",
    format: memory,
    lines: [
      { label: "Most of a run", colour: "--warn", valueOf: (hour) => hour.max_memory_mb },
      { label: "Mean", colour: "--info", valueOf: (hour) => hour.avg_memory_mb, isDashed: true },
    ],
  },
  calls: { label: "API calls", format: count, lines: [{ label: "API calls", colour: "--accent", valueOf: (hour) => hour.api_calls }] },
};
const CHOICES = RESOURCES.map((value) => ({ value, label: SHOWN[value].label }));

/** What the runs used, by the hour. */
export function Resources({ analytics, onDrag }: { analytics: Analytics; onDrag: (startMs: number, stopMs: number) => void }) {
  const { resource = "tokens" } = useSearch({ strict: false });
  const navigate = useNavigate();
  const { label, lines, format } = SHOWN[resource];
  const chart = useMemo(() => {
    const timesMs = everyHour(analytics.execution_patterns.map(({ hour }) => hour));
    const series: Series[] = lines.map((line) => ({
      label: line.label,
      colour: line.colour,
      format,
      values: spread(timesMs, analytics.resources, line.valueOf),
      ...(line.isDashed === true ? { isDashed: true } : {}),
    }));
    return { fromMs: Date.parse(analytics.from), toMs: Date.parse(analytics.to), timesMs, series };
  }, [analytics, lines, format]);
  const isKnown = chart.series.some(({ values }) => values.some((value) => value !== null));
  const choose = (value: Resource) => {
    void navigate({ to: ".", search: (search) => ({ ...search, resource: value }), replace: true });
  };
  return (
    <Panel title="Resources by the hour" tools={<Choice label="Resource" choices={CHOICES} value={resource} choose={choose} />}>
      {isKnown ? (
        <TimeChart summary={`${label} of the runs by the hour in which they started.`} {...chart} onDrag={onDrag} />
      ) : (
        <p>No run of this time tells its {label.toLowerCase()}.</p>
      )}
    </Panel>
  );
}
