import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import { analyticsQuery } from "../api/queries";
import { count, duration, percent } from "../format/numbers";
import { Ago } from "../ui/Ago";
import { Bar } from "../ui/Bar";
import { Failure as FailureNotice, Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import { type Column, Table } from "../ui/Table";
import { Waiting } from "../ui/Waiting";
import { useScope } from "../ui/scope";
import { Charts, MetricCards } from "./Figures";
import styles from "./Page.module.css";
import { Suggestions } from "./Suggestions";
import type { Analytics } from "./figures";

const route = getRouteApi("/agents/$agentId/");

/** One agent: is it healthy, what changed, what fails. */
export function Agent() {
  const { agentId } = route.useParams();
  const scope = useScope();
  const analytics = useQuery(analyticsQuery(agentId, scope));
  if (analytics.error !== null) return <FailureNotice error={analytics.error} retry={() => void analytics.refetch()} />;
  if (analytics.data === undefined) return <Waiting what="the agent's figures" />;
  return (
    <div className={styles.page}>
      <MetricCards analytics={analytics.data} />
      {analytics.data.statistics.total_executions === 0 ? (
        <Notice title="This agent had no runs in this time">Choose a longer time above.</Notice>
      ) : (
        <>
          <Suggestions agentId={agentId} scope={scope} />
          <Charts analytics={analytics.data} />
          <Panel title="Failures" note="runs that failed, by the type of their error">
            <Failures agentId={agentId} failures={analytics.data.failure_analysis} />
          </Panel>
        </>
      )}
    </div>
  );
}

type Failure = Analytics["failure_analysis"][number];

function Failures({ agentId, failures }: { agentId: string; failures: readonly Failure[] }) {
  if (failures.length === 0) return <Notice title="No run failed in this time" />;
  return (
    <Table
      label="Failures by the type of their error"
      columns={columnsOf(agentId)}
      rows={failures}
      keyOf={(failure) => failure.error_type ?? ""}
    />
  );
}

function columnsOf(agentId: string): readonly Column<Failure>[] {
  return [
    {
      id: "error",
      label: "Error",
      isName: true,
      show: ({ error_type: error }) =>
        error === null ? (
          "no type told"
        ) : (
          <Link to="/executions" search={(search) => ({ ...search, agent: [agentId], error: [error] })}>
            {error}
          </Link>
        ),
    },
    { id: "runs", label: "Runs", isNumber: true, show: (failure) => count(failure.count) },
    { id: "share", label: "Share", isNumber: true, show: (failure) => <Bar share={failure.share} text={percent(failure.share)} /> },
    {
      id: "mean",
      label: "Mean time to failure",
      isNumber: true,
      show: (failure) => duration(failure.avg_duration_before_failure),
    },
    { id: "last", label: "Last seen", isNumber: true, show: (failure) => <Ago time={failure.last_seen} /> },
  ];
}
