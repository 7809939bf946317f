import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { failuresQuery } from "../../api/failures";
import type { Scope } from "../../api/queries";
import { UNKNOWN, count, duration, percent } from "../../format/numbers";
import { Ago } from "../../ui/Ago";
import { onlyCommon } from "../../search";
import { Bar } from "../../ui/Bar";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Status } from "../../ui/Status";
import { Waiting } from "../../ui/Waiting";
import styles from "./Failures.module.css";
import { Spark } from "./Spark";

type Cluster = Schemas["FailureCluster"];
type Contrast = Schemas["Contrast"];
const MOST = 12;

/** Failed runs by what went wrong, with what these runs have more often than those that succeed. */
export function Failures({ agentId, scope }: { agentId: string; scope: Scope }) {
  const { data, error } = useQuery(failuresQuery(agentId, scope, MOST));
  const note = data === undefined ? "" : `${count(data.total_failures)} runs, ${count(data.total)} kinds`;
  return (
    <Panel title="Failures" note={note}>
      {error !== null && <Notice kind="error" title="The failures could not be loaded" />}
      {error === null && data === undefined && <Waiting what="the failures" />}
      {data?.items.length === 0 && <Notice title="No run failed in this time" />}
      <ul className={styles.clusters}>
        {data?.items.map((cluster) => (
          <Item key={cluster.cluster_id} agentId={agentId} cluster={cluster} />
        ))}
      </ul>
    </Panel>
  );
}

function Item({ agentId, cluster }: { agentId: string; cluster: Cluster }) {
  const [example] = cluster.example_execution_ids;
  return (
    <li className={styles.cluster}>
      <div className={styles.what}>
        <h3>
          {cluster.error_type ?? "no type told"}
          {cluster.step_name !== null && <span className={styles.step}> at {cluster.step_name}</span>}
          {cluster.is_new && <span className={styles.chip}>new</span>}
          {cluster.reopened_at !== null && <span className={styles.chip}>came back</span>}
          {cluster.trend.direction !== "steady" && (
            <span className={styles.chip}>{cluster.trend.direction === "rising" ? "↑ rising" : "↓ falling"}</span>
          )}
        </h3>
        <p className={styles.template}>{cluster.template ?? UNKNOWN}</p>
        {cluster.sets_apart.length > 0 && <SetsApart contrasts={cluster.sets_apart} />}
        <p className={styles.links}>
          <Status status={cluster.status} />
          <span>
            {duration(cluster.avg_duration_before_failure)} until then, last <Ago time={cluster.last_seen} />
          </span>
          {cluster.error_type !== null && (
            <Link
              to="/executions"
              search={(search) => ({ ...onlyCommon(search), agent: [agentId], status: [cluster.status], error: [cluster.error_type ?? ""] })}
            >
              Runs with {cluster.error_type}
            </Link>
          )}
          {example !== undefined && (
            <Link to="/executions/$executionId" params={{ executionId: example }} search={{}}>
              The newest one
            </Link>
          )}
        </p>
      </div>
      <Spark buckets={cluster.trend.buckets} />
      <Bar share={cluster.share} text={count(cluster.count)} tone="bad" />
    </li>
  );
}

/** Traits that these runs have far more often than successful ones. */
export function SetsApart({ contrasts }: { contrasts: readonly Contrast[] }) {
  return (
    <ul className={styles.contrasts} aria-label="What sets these runs apart">
      {contrasts.slice(0, 4).map((contrast) => (
        <li key={`${contrast.attribute} ${contrast.value ?? ""}`}>
          <code>
            {contrast.attribute}
            {contrast.value === null ? "" : ` = ${contrast.value}`}
          </code>{" "}
          in {percent(contrast.share)} of them, {percent(contrast.share_in_successes)} of successful runs
          {contrast.lift !== null && ` (${contrast.lift.toFixed(1)} ×)`}
        </li>
      ))}
    </ul>
  );
}
