import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { count, duration } from "../../format/numbers";
import { Panel } from "../../ui/Panel";
import { Status } from "../../ui/Status";
import styles from "./Divergence.module.css";
import type { Side } from "./sides";

type Parting = Schemas["Divergence"];
type Step = Schemas["DivergingStep"];

/** Where two runs part. */
export function Divergence({ divergence, a, b }: { divergence: Parting | null; a: Side; b: Side }) {
  if (divergence === null) {
    return (
      <Panel title="First divergence">
        <p>Both runs took the same steps, and these ended alike.</p>
      </Panel>
    );
  }
  const common = divergence.common_steps;
  return (
    <Panel title="First divergence" note={`after ${count(common)} ${common === 1 ? "step" : "steps"} that both took and that ended alike`}>
      <div className={styles.sides}>
        <Way name="A" side={a} step={divergence.a} />
        <Way name="B" side={b} step={divergence.b} />
      </div>
    </Panel>
  );
}

function Way({ name, side, step }: { name: string; side: Side; step: Step | null }) {
  return (
    <div className={styles.way}>
      <strong>{name}</strong>
      {step === null ? (
        <p>took no further step</p>
      ) : (
        <>
          <p className={styles.step}>
            <Link to="/executions/$executionId" params={{ executionId: side.value }} search={{ step: step.step_index }}>
              {step.step_name}
            </Link>{" "}
            <Status status={step.status} />
          </p>
          <p className={styles.facts}>
            step {step.step_index}, {duration(step.duration_ms)}
            {step.error_type !== null && `, ${step.error_type}`}
          </p>
        </>
      )}
    </div>
  );
}
