import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { comparisonQuery } from "../api/comparison";
import { analyticsQuery } from "../api/queries";
import { rangeOf, windowOf } from "../time/window";
import { Failure, Notice } from "../ui/Notice";
import { Waiting } from "../ui/Waiting";
import { useScope } from "../ui/scope";
import { Charts, MetricCards } from "./Figures";
import styles from "./Page.module.css";
import { Suggestions } from "./Suggestions";
import { Failures } from "./agent/Failures";
import { Spike } from "./agent/Spike";
import { Timeline } from "./agent/Timeline";
import { wholeHours } from "./agent/stretch";
import { periodsOf } from "./compare/sides";

const route = getRouteApi("/agents/$agentId/");

/** One agent: is it healthy, what changed, what fails, what to do. */
export function Agent() {
  const { agentId } = route.useParams();
  const { spike } = route.useSearch();
  const navigate = useNavigate({ from: "/agents/$agentId/" });
  const scope = useScope();
  const analytics = useQuery(analyticsQuery(agentId, scope));
  const [before, now] = periodsOf(wholeHours(scope.window));
  const tested = useQuery({ ...comparisonQuery(agentId, before, now, { ...scope, window: wholeHours(scope.window) }), enabled: analytics.data !== undefined });
  if (analytics.error !== null) return <Failure error={analytics.error} retry={() => void analytics.refetch()} />;
  if (analytics.data === undefined) return <Waiting what="the agent's figures" />;
  const select = (startMs: number, stopMs: number) => {
    void navigate({ search: (search) => ({ ...search, spike: rangeOf(startMs, stopMs) }) });
  };
  const close = () => {
    void navigate({ search: ({ spike: _left, ...search }) => search });
  };
  const stretch = spike === undefined ? null : windowOf(spike, 0);
  return (
    <div className={styles.page}>
      <MetricCards analytics={analytics.data} tested={tested.data?.figures} />
      {analytics.data.statistics.total_executions === 0 ? (
        <Notice title="This agent had no runs in this time">Choose a longer time above.</Notice>
      ) : (
        <>
          <Suggestions agentId={agentId} scope={scope} />
          {stretch !== null && (
            <Spike agentId={agentId} scope={scope} startMs={Date.parse(stretch.from)} stopMs={Date.parse(stretch.to)} close={close} />
          )}
          <Charts analytics={analytics.data} drag={{ hint: "drag over a spike to see what sets its runs apart", take: select }} />
          <Timeline agentId={agentId} scope={scope} />
          <Failures agentId={agentId} scope={scope} />
        </>
      )}
    </div>
  );
}
