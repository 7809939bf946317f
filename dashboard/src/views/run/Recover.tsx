import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { recover, recoveryQuery } from "../../api/runQueries";
import { Ago } from "../../ui/Ago";
import styles from "./Failed.module.css";
import { keepRange } from "./Header";

type Recovery = Schemas["Recovery"];

const DONE_BY_WEBHOOK: readonly Recovery["action"][] = ["retry", "retry_with_backoff", "resume_from_checkpoint"];

/** Has the agent's webhook do what is advised, and tells what came of it. */
export function Recover({ recovery }: { recovery: Recovery }) {
  const cache = useQueryClient();
  const asking = useMutation({
    mutationFn: () => recover(recovery.execution_id),
    onSettled: () => cache.invalidateQueries({ queryKey: recoveryQuery(recovery.execution_id).queryKey }),
  });
  const isOffered = DONE_BY_WEBHOOK.includes(recovery.action) && recovery.recovered_by === null;
  return (
    <>
      {recovery.recoveries.map((each) => (
        <p key={each.recovery_id}>
          <strong>{each.state.replaceAll("_", " ")}</strong>: {each.action.replaceAll("_", " ")}, asked for{" "}
          <Ago time={each.requested_at} />
          {each.reason !== null && ` – ${each.reason}`}
          {each.execution_ids.map((id) => (
            <span key={id}>
              {" "}
              <Link to="/executions/$executionId" params={{ executionId: id }} search={keepRange}>
                the new run
              </Link>
            </span>
          ))}
        </p>
      ))}
      {isOffered && (
        <button
          type="button"
          className={styles.action}
          disabled={asking.isPending}
          onClick={() => {
            asking.mutate();
          }}
        >
          Have the webhook do it
        </button>
      )}
      {asking.error !== null && (
        <p role="alert" className={styles.reason}>
          {asking.error.message}
        </p>
      )}
    </>
  );
}
