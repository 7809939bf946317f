import type { Schemas } from "../../api/client";
import { count, duration, percent } from "../../format/numbers";
import { Bar } from "../../ui/Bar";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { type Column, Table } from "../../ui/Table";

type Step = Schemas["Bottleneck"];

const COLUMNS: readonly Column<Step>[] = [
  { id: "step", label: "Step", isName: true, show: (step) => step.step_name },
  {
    id: "share",
    label: "Of the critical path",
    hint: "Share of the successful runs' time in which this step alone decided how long the run took",
    isNumber: true,
    show: ({ critical_path_share: share }) => <Bar share={share} text={percent(share)} />,
  },
  {
    id: "headroom",
    label: "Could save per run",
    hint: "If the step always took as long as in its fastest tenth",
    isNumber: true,
    show: (step) => duration(step.headroom_ms_per_execution),
  },
  { id: "mean", label: "Mean", isNumber: true, show: (step) => duration(step.avg_duration) },
  { id: "p95", label: "p95", isNumber: true, show: (step) => duration(step.p95_duration) },
  { id: "spread", label: "Spread", hint: "Standard deviation", isNumber: true, show: (step) => duration(step.duration_stddev) },
  { id: "calls", label: "Calls", isNumber: true, show: (step) => count(step.execution_count) },
  {
    id: "failed",
    label: "Failed",
    isNumber: true,
    show: (step) => (step.failed === 0 ? "0" : `${count(step.failed)} (${percent(step.failed / step.execution_count)})`),
  },
  { id: "retries", label: "Retries", isNumber: true, show: (step) => count(step.retries) },
];

/** Which steps decide how long runs take. */
export function Bottlenecks({ steps }: { steps: readonly Step[] }) {
  return (
    <Panel title="Where the time goes" note="steps by their share of the critical path">
      {steps.length === 0 ? (
        <Notice title="No steps below the top one">Runs of this time tell of no step of their own.</Notice>
      ) : (
        <Table label="Steps by their share of the critical path" columns={COLUMNS} rows={steps} keyOf={(step) => step.step_name} />
      )}
    </Panel>
  );
}
