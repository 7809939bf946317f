import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import type { Schemas } from "../../api/client";
import { arrivalsQuery } from "../../api/ingest";
import { count } from "../../format/numbers";
import { MINUTE_MS } from "../../time/minute";
import { Ago } from "../../ui/Ago";
import { Failure } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Status } from "../../ui/Status";
import styles from "./Connect.module.css";

type Counts = Schemas["IngestCounts"];

/** Runs that started a little before the page was opened are worth showing, too. */
const BEFORE_MS = 10 * MINUTE_MS;

/** Watches what comes in: the first span, the first run, and what is refused. */
export function Arrivals() {
  const [sinceMs] = useState(() => Date.now() - BEFORE_MS);
  const [before, setBefore] = useState<Counts | null>(null);
  const { data, error, refetch } = useQuery(arrivalsQuery(sinceMs));
  if (data !== undefined && before === null) setBefore(data.totals);
  const stored = data === undefined || before === null ? 0 : data.totals.stored - before.stored;
  const rejected = data === undefined || before === null ? 0 : data.totals.rejected - before.rejected;
  const refused = data === undefined || before === null ? 0 : data.totals.refused_requests - before.refused_requests;
  return (
    <Panel title="What arrives" note="while this page is open">
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      <p className={styles.arrival} data-arrived={stored > 0} role="status">
        {stored > 0 ? `✓ ${stored === 1 ? "1 span has" : `${count(stored)} spans have`} arrived` : "Waiting for the first span …"}
      </p>
      {rejected + refused > 0 && (
        <p className={styles.refused} role="alert">
          {refusalOf(rejected, refused)} refused; <Link to="/ingest">see why</Link>.
        </p>
      )}
      <ul className={styles.runs}>
        {data?.runs.map((run) => (
          <li key={run.execution_id}>
            <Status status={run.status} />{" "}
            <Link to="/executions/$executionId" params={{ executionId: run.execution_id }} search={{}}>
              {run.agent_id}
            </Link>{" "}
            <Ago time={run.start_time} />
          </li>
        ))}
      </ul>
      <p className={styles.hint}>
        Nothing comes? Exporters send every few seconds, and when the program ends. Look at its standard error, and at{" "}
        <Link to="/ingest">what was refused</Link>.
      </p>
    </Panel>
  );
}

function refusalOf(spans: number, requests: number): string {
  const parts = [
    ...(spans > 0 ? [`${count(spans)} ${spans === 1 ? "span" : "spans"}`] : []),
    ...(requests > 0 ? [`${count(requests)} whole ${requests === 1 ? "request" : "requests"}`] : []),
  ];
  return `${parts.join(" and ")} ${spans + requests === 1 ? "was" : "were"}`;
}
