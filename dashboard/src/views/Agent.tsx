import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import { analyticsQuery } from "../api/queries";
import { count, duration, percent } from "../format/numbers";
import { Ago } from "../ui/Ago";
import { Failure, Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import table from "../ui/Table.module.css";
import { Waiting } from "../ui/Waiting";
import { useScope } from "../ui/scope";
import { Charts, MetricCards } from "./Figures";
import styles from "./Page.module.css";
import { Suggestions } from "./Suggestions";
import type { Analytics } from "./figures";

const route = getRouteApi("/agents/$agentId");

/** One agent: is it healthy, what changed, what fails. */
export function Agent() {
  const { agentId } = route.useParams();
  const scope = useScope();
  const analytics = useQuery(analyticsQuery(agentId, scope));
  if (analytics.error !== null) return <Failure error={analytics.error} retry={() => void analytics.refetch()} />;
  if (analytics.data === undefined) return <Waiting what="the agent's figures" />;
  return (
    <div className={styles.page}>
      <h1>{agentId}</h1>
      <nav aria-label="Of this agent">
        <Link to="/executions" search={(search) => ({ ...search, agent: [agentId] })}>
          Its runs
        </Link>{" "}
        ·{" "}
        <Link to="/executions" search={(search) => ({ ...search, agent: [agentId], status: ["failed", "timeout"] })}>
          those that failed
        </Link>
      </nav>
      <MetricCards analytics={analytics.data} />
      {analytics.data.statistics.total_executions === 0 ? (
        <Notice title="This agent had no runs in this time">Choose a longer time above.</Notice>
      ) : (
        <>
          <Suggestions agentId={agentId} scope={scope} />
          <Charts analytics={analytics.data} />
          <Panel title="Failures" note="runs that failed, by the type of their error">
            <Failures failures={analytics.data.failure_analysis} />
          </Panel>
        </>
      )}
    </div>
  );
}

function Failures({ failures }: { failures: Analytics["failure_analysis"] }) {
  if (failures.length === 0) return <Notice title="No run failed in this time" />;
  const number = table["number"];
  return (
    <div className={table["scroller"]}>
      <table className={table["table"]}>
        <thead>
          <tr>
            <th scope="col">Error</th>
            <th scope="col" className={number}>
              Runs
            </th>
            <th scope="col" className={number}>
              Share
            </th>
            <th scope="col" className={number}>
              Mean time to failure
            </th>
            <th scope="col" className={number}>
              Last seen
            </th>
          </tr>
        </thead>
        <tbody>
          {failures.map((failure) => (
            <tr key={failure.error_type ?? ""}>
              <td className={table["name"]}>{failure.error_type ?? "no type told"}</td>
              <td className={number}>{count(failure.count)}</td>
              <td className={number}>{percent(failure.share)}</td>
              <td className={number}>{duration(failure.avg_duration_before_failure)}</td>
              <td className={number}>
                <Ago time={failure.last_seen} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
