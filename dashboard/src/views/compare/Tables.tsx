import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { UNKNOWN, change, duration, percent } from "../../format/numbers";
import { onlyCommon } from "../../search";
import { Panel } from "../../ui/Panel";
import { type Column, Table } from "../../ui/Table";
import { Interval } from "./Interval";
import { Verdict } from "./Verdict";
import { type Difference, meaningOf, signed } from "./figures";

type Step = Schemas["StepDifference"];
type Path = Schemas["PathDifference"];

const FIGURES: readonly Column<Difference>[] = [
  { id: "figure", label: "Figure", show: (figure) => meaningOf(figure.name).label },
  { id: "a", label: "A", isNumber: true, show: (figure) => meaningOf(figure.name).format(figure.a) },
  { id: "b", label: "B", isNumber: true, show: (figure) => meaningOf(figure.name).format(figure.b) },
  { id: "difference", label: "B less A", isNumber: true, show: (figure) => signed(figure, figure.difference) },
  {
    id: "change",
    label: "Change",
    isNumber: true,
    show: (figure) => (meaningOf(figure.name).isRate === true ? "" : change(figure.change)),
  },
  { id: "interval", label: "95 % interval", isNumber: true, show: (figure) => <Interval difference={figure} /> },
  { id: "verdict", label: "B is", show: (figure) => <Verdict difference={figure} /> },
];

/** The figures of whole runs. */
export function Figures({ figures }: { figures: readonly Difference[] }) {
  return (
    <Panel title="Figures" note="significant at 1 % after correction, from 30 runs on each side">
      <Table label="Figures" columns={FIGURES} rows={figures} keyOf={(figure) => figure.name} />
    </Panel>
  );
}

const STEPS: readonly Column<Step>[] = [
  { id: "step", label: "Step", isName: true, show: (step) => step.step_name },
  { id: "calls", label: "Calls per run", isNumber: true, show: ({ calls_per_execution: calls }) => calls.map(perRun).join(" → ") },
  { id: "duration", label: "Mean duration", isNumber: true, show: (step) => sidesOf(figureOf(step, "avg_duration"), duration) },
  { id: "slower", label: "B is", show: (step) => verdict(figureOf(step, "avg_duration")) },
  { id: "failures", label: "Calls that fail", isNumber: true, show: (step) => sidesOf(figureOf(step, "failure_rate"), percent) },
  { id: "failing", label: "B is", show: (step) => verdict(figureOf(step, "failure_rate")) },
];

/** The steps, those that differ most surely first. */
export function Steps({ steps }: { steps: readonly Step[] }) {
  return (
    <Panel title="Steps" note="A → B, those that differ most surely first">
      <Table label="Steps" columns={STEPS} rows={steps} keyOf={(step) => step.step_name} />
    </Panel>
  );
}

/** The share of the runs that took each path. */
export function Paths({ agentId, paths }: { agentId: string; paths: readonly Path[] }) {
  const columns: readonly Column<Path>[] = [
    {
      id: "path",
      label: "Path",
      isName: true,
      show: ({ execution_path: path }) => (
        <Link to="/executions" search={(search) => ({ ...onlyCommon(search), agent: [agentId], path })}>
          {path}
        </Link>
      ),
    },
    { id: "shares", label: "Share of the runs", isNumber: true, show: (path) => sidesOf(path, percent) },
    { id: "difference", label: "B less A", isNumber: true, show: (path) => signed(path, path.difference) },
    { id: "verdict", label: "B", show: (path) => <Verdict difference={path} /> },
  ];
  return (
    <Panel title="Paths" note="A → B, those that differ most surely first">
      <Table label="Paths" columns={columns} rows={paths} keyOf={(path) => path.execution_path} />
    </Panel>
  );
}

function figureOf(step: Step, name: string): Difference | undefined {
  return step.figures.find((figure) => figure.name === name);
}

function sidesOf(difference: Difference | undefined, format: (value: number | null) => string): string {
  return difference === undefined ? UNKNOWN : `${format(difference.a)} → ${format(difference.b)}`;
}

function verdict(difference: Difference | undefined) {
  return difference === undefined ? null : <Verdict difference={difference} />;
}

function perRun(value: number | null): string {
  return value === null ? UNKNOWN : value.toFixed(value < 10 ? 2 : 1);
}
