import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";

import { agentsQuery, analyticsQuery } from "../api/queries";
import { onlyCommon } from "../search";
import { rangeOf } from "../time/window";
import { Failure, Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import { Waiting } from "../ui/Waiting";
import { useScope } from "../ui/scope";
import { AgentTable } from "./AgentTable";
import { Charts, MetricCards } from "./Figures";
import styles from "./Page.module.css";

/** All agents of the workspace: how they fare together, and each on its own. */
export function Overview() {
  const scope = useScope();
  const navigate = useNavigate();
  const analytics = useQuery(analyticsQuery(null, scope));
  const agents = useQuery(agentsQuery(scope));
  const failed = analytics.error ?? agents.error;
  if (failed !== null) {
    return <Failure error={failed} retry={() => void Promise.all([analytics.refetch(), agents.refetch()])} />;
  }
  if (analytics.data === undefined || agents.data === undefined) return <Waiting what="the figures" />;
  if (agents.data.total === 0) return <NoRuns />;
  const show = (startMs: number, stopMs: number) => {
    void navigate({ to: ".", search: (search) => ({ ...search, range: rangeOf(startMs, stopMs) }) });
  };
  return (
    <div className={styles.page}>
      <h1>All agents</h1>
      <MetricCards analytics={analytics.data} />
      <Panel title="Agents" note={`${agents.data.total} with runs in this time`}>
        <AgentTable agents={agents.data.items} />
      </Panel>
      <Charts analytics={analytics.data} drag={{ hint: "drag over a stretch to look at it alone", take: show }} />
    </div>
  );
}

/** Before the first run there is nothing to look at, so the way there is shown; later it is the time that is empty. */
function NoRuns() {
  return (
    <Notice title="No runs in this time">
      <p>Choose a longer time above, or send the first runs:</p>
      <p className={styles.ways}>
        <Link to="/connect" search={onlyCommon}>
          Connect an agent
        </Link>
        <Link to="/connect" search={(search) => ({ ...onlyCommon(search), way: "demo" })}>
          See it with demo data (stepwell demo)
        </Link>
      </p>
    </Notice>
  );
}
