import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { memo } from "react";

import { useLiveUpdates } from "../api/events";
import type { LiveRun } from "../api/liveRuns";
import { liveQuery } from "../api/queries";
import { cost, count, duration } from "../format/numbers";
import { useClock } from "../time/clock";
import { Failure, Notice } from "../ui/Notice";
import { Waiting } from "../ui/Waiting";
import styles from "./Live.module.css";
import page from "./Page.module.css";

/** The runs that go on now: at which step, for how long, and how long such runs usually take. */
export function Live() {
  useLiveUpdates();
  const live = useQuery(liveQuery());
  if (live.error !== null && live.data === undefined) return <Failure error={live.error} retry={() => void live.refetch()} />;
  if (live.data === undefined) return <Waiting what="the runs that go on" />;
  return (
    <div className={page["page"]}>
      <h1>
        Live <span className={styles.count}>{count(live.data.items.length)} running</span>
      </h1>
      {live.data.items.length === 0 && (
        <Notice title="Nothing runs right now">Runs appear here at the moment their agent sends their start.</Notice>
      )}
      <ul className={styles.runs}>
        {live.data.items.map((run) => (
          <LiveCard key={run.execution_id} run={run} />
        ))}
      </ul>
    </div>
  );
}

/** Drawn anew only when something happened to its run; what ticks is `Elapsed`. */
const LiveCard = memo(function LiveCard({ run }: { run: LiveRun }) {
  const step = run.current_step;
  return (
    <li className={styles.run} data-stuck={run.is_likely_stuck}>
      <div className={styles.title}>
        <Link to="/executions/$executionId" params={{ executionId: run.execution_id }} search={{}} preload={false}>
          {run.agent_id}
        </Link>
        {run.is_likely_stuck && <strong className={styles.stuck}>likely stuck</strong>}
      </div>
      <div className={styles.step}>
        {step === null ? `${count(run.steps_completed)} of ${count(run.steps_total)} steps ended` : `at ${step.step_name}`}
      </div>
      <div className={styles.time}>
        <Elapsed run={run} />
        {run.cost_usd !== null && run.cost_usd > 0 && <span className={styles.expected}> · {cost(run.cost_usd)}</span>}
      </div>
    </li>
  );
});

function Elapsed({ run }: { run: LiveRun }) {
  const elapsedMs = Math.max(useClock() - Date.parse(run.start_time), run.elapsed_ms);
  const expectedMs = run.expected_duration_ms;
  return (
    <>
      {duration(elapsedMs)}
      {expectedMs !== null && (
        <>
          <span className={styles.expected}> usually {duration(expectedMs)}</span>
          <progress value={Math.min(elapsedMs / expectedMs, 1)} max={1} aria-label={`Progress of ${run.agent_id}`} />
        </>
      )}
    </>
  );
}
