import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { recoveryQuery } from "../../api/runQueries";
import { cost, count, duration, percent } from "../../format/numbers";
import styles from "./Failed.module.css";
import { keepRange } from "./Header";
import { Recover } from "./Recover";

type Run = Schemas["Execution"];
type Recovery = Schemas["Recovery"];

const ACTIONS: Readonly<Record<NonNullable<Recovery["action"]>, string>> = {
  retry: "Run it again",
  retry_with_backoff: "Run it again after a pause",
  resume_from_checkpoint: "Resume from the checkpoint",
  fix_input: "Fix the input",
  fix_code: "Fix the code",
  raise_timeout: "Raise the timeout",
};

/** What went wrong and what to do about it. */
export function Failed({ run, select }: { run: Run; select: (index: number) => void }) {
  const recovery = useQuery(recoveryQuery(run.execution_id)).data;
  const step = recovery?.failing_step;
  return (
    <section className={styles.failed} aria-label="What went wrong">
      <div className={styles.what}>
        <p>
          <strong className={styles.type}>{run.error_type}</strong>
          {run.error_step_name !== null && (
            <>
              {" at the step "}
              {step == null ? (
                run.error_step_name
              ) : (
                <button
                  type="button"
                  className={styles.link}
                  onClick={() => {
                    select(step.step_index);
                  }}
                >
                  {run.error_step_name}
                </button>
              )}
            </>
          )}
        </p>
        {run.error_message !== null && (
          <p className={styles.message} tabIndex={0} role="region" aria-label="Error message">
            {run.error_message}
          </p>
        )}
      </div>
      {recovery?.action != null && <Advice recovery={recovery} action={recovery.action} />}
    </section>
  );
}

function Advice({ recovery, action }: { recovery: Recovery; action: NonNullable<Recovery["action"]> }) {
  const checkpoint = recovery.last_checkpoint;
  return (
    <div className={styles.advice}>
      <p>
        <strong>What to do: {ACTIONS[action]}</strong>
      </p>
      <p className={styles.reason}>{recovery.reason}</p>
      <dl className={styles.facts}>
        {recovery.retry_success_rate !== null && (
          <div>
            <dt>Repeated after such a failure</dt>
            <dd>
              {percent(recovery.retry_success_rate)} of {count(recovery.n)} succeeded
            </dd>
          </div>
        )}
        {checkpoint !== null && (
          <div>
            <dt>Last checkpoint</dt>
            <dd>
              {checkpoint.id} at {checkpoint.step_name}
              {checkpoint.saves !== null && ` · saves ${savedBy(checkpoint.saves)}`}
            </dd>
          </div>
        )}
        {recovery.recovered_by !== null && (
          <div>
            <dt>Recovered</dt>
            <dd>
              <Link to="/executions/$executionId" params={{ executionId: recovery.recovered_by }} search={keepRange}>
                by a later run
              </Link>
            </dd>
          </div>
        )}
      </dl>
      {checkpoint !== null && <p className={styles.reason}>{checkpoint.how}</p>}
      <Recover recovery={recovery} />
    </div>
  );
}

function savedBy(saves: Schemas["Saved"]): string {
  const parts = [duration(saves.duration_ms), `${count(saves.steps)} steps`];
  if (saves.tokens !== null) parts.push(`${count(saves.tokens)} tokens`);
  if (saves.cost_usd !== null) parts.push(cost(saves.cost_usd));
  return parts.join(", ");
}
