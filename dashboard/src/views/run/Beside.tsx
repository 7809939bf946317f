import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { duration } from "../../format/numbers";
import { Json } from "../../ui/Json";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Status } from "../../ui/Status";
import styles from "./Beside.module.css";
import { keepRange } from "./Header";

type Run = Schemas["Execution"];

/** What the run was given and what it gave. */
export function Data({ run }: { run: Run }) {
  if (run.payload_expired) return <Notice title="Input and output are gone">The time for which they are kept is over.</Notice>;
  return (
    <div className={styles.pair}>
      <Json title="Input" value={run.input_data} label="Input of the run" />
      <Json title="Output" value={run.output_data} label="Output of the run" />
    </div>
  );
}

/** The states that the run saved to resume from. */
export function Checkpoints({ run }: { run: Run }) {
  const startMs = Date.parse(run.start_time);
  return (
    <ol className={styles.checkpoints}>
      {run.checkpoints.map((checkpoint: unknown, place) => {
        const { id, time, step_name, state, resume } = read(checkpoint);
        return (
          <li key={place}>
            <div className={styles.checkpoint}>
              <strong>{id}</strong>
              <span className={styles.note}>
                after {duration(Date.parse(time) - startMs)} · at {step_name}
              </span>
            </div>
            <Json value={state} label={`State of ${id}`} />
            {resume != null && (
              <details>
                <summary>How to go on from it</summary>
                <Json value={resume} label={`How to go on from ${id}`} />
              </details>
            )}
          </li>
        );
      })}
    </ol>
  );
}

interface Checkpoint {
  id: string;
  time: string;
  step_name: string;
  state: unknown;
  resume: unknown;
}

/** The API's document leaves the form of checkpoints open. */
function read(value: unknown): Checkpoint {
  const known = new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
  const text = (key: string) => {
    const inner = known.get(key);
    return typeof inner === "string" ? inner : "";
  };
  return { id: text("id"), time: text("time"), step_name: text("step_name"), state: known.get("state"), resume: known.get("resume") };
}

export function Siblings({ run }: { run: Run }) {
  return (
    <Panel title="Other runs of the trace">
      <ul className={styles.siblings}>
        {run.siblings.map((sibling) => (
          <li key={sibling.execution_id}>
            <Link to="/executions/$executionId" params={{ executionId: sibling.execution_id }} search={keepRange}>
              {sibling.agent_id}
            </Link>{" "}
            <Status status={sibling.status} /> {duration(sibling.duration_ms)}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
