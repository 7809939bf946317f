import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import { patternsQuery } from "../../api/patterns";
import { analyticsQuery } from "../../api/queries";
import { cost, count, duration, percent } from "../../format/numbers";
import { onlyCommon } from "../../search";
import { Bar, toneOf } from "../../ui/Bar";
import { Failure, Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { type Column, Table } from "../../ui/Table";
import { Waiting } from "../../ui/Waiting";
import { useScope } from "../../ui/scope";
import page from "../Page.module.css";
import { Bottlenecks } from "./Bottlenecks";
import { Flow } from "./Flow";
import { HeatMap } from "./HeatMap";
import { Inputs } from "./Inputs";
import type { ExecutionPath } from "./paths";

const route = getRouteApi("/agents/$agentId/patterns");

/** More ways than these cannot be told apart at a glance; the table has them all. */
const IN_FLOW = 12;

/** How an agent's runs go: the ways they take, when, with which inputs, and what takes their time. */
export function Patterns() {
  const { agentId } = route.useParams();
  const scope = useScope();
  const patterns = useQuery(patternsQuery(agentId, scope));
  const analytics = useQuery(analyticsQuery(agentId, scope));
  const failed = patterns.error ?? analytics.error;
  if (failed !== null) return <Failure error={failed} retry={() => void Promise.all([patterns.refetch(), analytics.refetch()])} />;
  if (patterns.data === undefined || analytics.data === undefined) return <Waiting what="the patterns" />;
  const { data } = patterns;
  if (analytics.data.statistics.total_executions === 0) {
    return <Notice title="This agent had no runs in this time">Choose a longer time above.</Notice>;
  }
  return (
    <div className={page["page"]}>
      <Paths agentId={agentId} paths={data.execution_paths} />
      <HeatMap analytics={analytics.data} />
      <Bottlenecks steps={data.bottlenecks} />
      <Inputs patterns={data.input_patterns} sample={data.sample} overall={(analytics.data.success_rate ?? 0) / 100} />
    </div>
  );
}

function Paths({ agentId, paths }: { agentId: string; paths: readonly ExecutionPath[] }) {
  const shown = paths.slice(0, IN_FLOW);
  const share = shown.reduce((sum, path) => sum + path.share, 0);
  const note = shown.length < paths.length ? `the ${shown.length} most frequent of ${paths.length}, ${percent(share)} of the runs` : "all of them";
  return (
    <Panel title="Paths" note={`${note}; a band is as wide as there are runs`}>
      <Flow agentId={agentId} paths={shown} />
      <Table label="Paths" columns={columnsOf(agentId)} rows={paths} keyOf={(path) => path.execution_path} />
    </Panel>
  );
}

function columnsOf(agentId: string): readonly Column<ExecutionPath>[] {
  return [
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
    { id: "runs", label: "Runs", isNumber: true, show: (path) => count(path.frequency) },
    { id: "share", label: "Share", isNumber: true, show: (path) => <Bar share={path.share} text={percent(path.share)} /> },
    {
      id: "success",
      label: "Success",
      isNumber: true,
      show: ({ success_rate: rate }) => <Bar share={rate} text={percent(rate)} tone={toneOf(rate)} />,
    },
    { id: "mean", label: "Mean", isNumber: true, show: (path) => duration(path.avg_duration) },
    { id: "p95", label: "p95", isNumber: true, show: (path) => duration(path.p95_duration) },
    { id: "cost", label: "Cost per run", isNumber: true, show: (path) => cost(path.avg_cost_usd) },
    { id: "credits", label: "Credits per run", isNumber: true, show: (path) => count(path.avg_credits) },
  ];
}
