import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Schemas } from "../../api/client";
import { recentQuery } from "../../api/failures";
import type { Scope } from "../../api/queries";
import { count, duration } from "../../format/numbers";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { STATUSES, Status, type StatusWord } from "../../ui/Status";
import { Waiting } from "../../ui/Waiting";
import styles from "./Timeline.module.css";
import { HEIGHT, WIDTH, plot } from "./plot";

type Run = Schemas["ExecutionSummary"];
const MOST = 200;

/** The newest runs by when they started, how long they took and how they ended; a click opens one. */
export function Timeline({ agentId, scope }: { agentId: string; scope: Scope }) {
  const { data, error } = useQuery(recentQuery(agentId, scope, MOST));
  return (
    <Panel title="Recent runs" note={`the newest ${MOST} at most; a click opens one`}>
      {error !== null && <Notice kind="error" title="The runs could not be loaded" />}
      {error === null && data === undefined && <Waiting what="the newest runs" />}
      {data !== undefined && <Plot runs={data} />}
    </Panel>
  );
}

function Plot({ runs }: { runs: readonly Run[] }) {
  const navigate = useNavigate();
  const { marks, ticks, start, stop } = useMemo(() => plot(runs), [runs]);
  return (
    <figure className={styles.figure}>
      <div className={styles.plot}>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {ticks.map((tick) => (
            <line key={tick.ms} x1={0} x2={WIDTH} y1={tick.y} y2={tick.y} />
          ))}
        </svg>
        {ticks.map((tick) => (
          <span key={tick.ms} className={styles.tick} style={{ top: `${(tick.y / HEIGHT) * 100}%` }} aria-hidden="true">
            {duration(tick.ms)}
          </span>
        ))}
        {marks.map(({ run, x, y }) => (
          <button
            key={run.execution_id}
            type="button"
            tabIndex={-1}
            aria-hidden="true"
            className={styles.mark}
            data-status={run.status}
            style={{ left: `${(x / WIDTH) * 100}%`, top: `${(y / HEIGHT) * 100}%` }}
            title={`${run.status}, ${duration(run.duration_ms)}, ${new Date(run.start_time).toLocaleString()}`}
            onClick={() => {
              void navigate({ to: "/executions/$executionId", params: { executionId: run.execution_id }, search: {} });
            }}
          />
        ))}
      </div>
      <div className={styles.axis} aria-hidden="true">
        <span>{start}</span>
        <span>{stop}</span>
      </div>
      <figcaption className={styles.legend}>
        <span className="visually-hidden">The newest {count(runs.length)} runs:</span>
        {STATUSES.map((status) => (
          <Tally key={status} status={status} runs={runs} />
        ))}
      </figcaption>
    </figure>
  );
}

function Tally({ status, runs }: { status: StatusWord; runs: readonly Run[] }) {
  const tally = runs.filter((run) => run.status === status).length;
  if (tally === 0) return null;
  return (
    <span>
      <Status status={status} /> {count(tally)}
    </span>
  );
}
