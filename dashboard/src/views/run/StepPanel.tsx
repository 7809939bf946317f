import { useQuery } from "@tanstack/react-query";

import type { Schemas } from "../../api/client";
import { stepQuery } from "../../api/runQueries";
import { cost, count, duration, memory } from "../../format/numbers";
import { Json } from "../../ui/Json";
import { Notice } from "../../ui/Notice";
import { Status } from "../../ui/Status";
import { Waiting } from "../../ui/Waiting";
import { KIND_NAMES, KindTile } from "./KindTile";
import styles from "./StepPanel.module.css";
import { STEP_ID } from "./keys";
import { type Step, kindOf } from "./steps";

type FullStep = Schemas["ExecutionStep"];

/** The step that is looked at, with all it carried. */
export function StepPanel({ executionId, step }: { executionId: string; step: Step }) {
  const { data, error, isPending } = useQuery(stepQuery(executionId, step.index));
  const kind = kindOf(step);
  return (
    <aside id={STEP_ID} className={styles.panel} tabIndex={-1} aria-labelledby="step-title">
      <header className={styles.header}>
        <KindTile kind={kind} />
        <h2 id="step-title">{step.name}</h2>
        <Status status={step.status} />
      </header>
      <p className={styles.about}>
        Step {step.index} · {KIND_NAMES[kind]} · {step.operation}
        {step.agent !== null && ` · by ${step.agent}`}
        {step.isCritical && " · on the critical path"}
      </p>
      {error !== null && <Notice kind="error" title="The step could not be loaded" />}
      {isPending && <Waiting what="the step" />}
      {data === null && <Notice title="This step is no longer stored" />}
      {data != null && data.step_index === step.index && <Carried step={data} />}
    </aside>
  );
}

function Carried({ step }: { step: FullStep }) {
  return (
    <>
      <dl className={styles.facts}>
        {factsOf(step).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {step.error_message !== null && (
        <div className={styles.error} role="group" aria-label="Error">
          {step.error_type !== null && <strong>{step.error_type}</strong>}
          <pre tabIndex={0}>{step.error_message}</pre>
        </div>
      )}
      <Json title="Input" value={step.input} label="Input of the step" />
      <Json title="Output" value={step.output} label="Output of the step" />
      {step.logs.length > 0 && <Logs step={step} />}
      <More title="Events" value={step.events} />
      <More title="Attributes" value={step.attributes} />
      <More title="Resource" value={step.resource} />
      <More title="Links" value={step.links} />
    </>
  );
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hour12: false,
});

function factsOf(step: FullStep): [string, string][] {
  const facts: [string, string | null][] = [
    ["Duration", duration(step.duration_ms)],
    ["Of its own", step.self_duration_ms === null ? null : duration(step.self_duration_ms)],
    ["Started", CLOCK.format(new Date(step.start_time))],
    ["Attempt", step.attempt > 1 ? String(step.attempt) : null],
    ["Model", step.model],
    ["Provider", step.provider],
    ["Tokens", step.tokens_used === null ? null : `${count(step.prompt_tokens)} in · ${count(step.completion_tokens)} out`],
    ["From cache", step.cache_read_tokens === null ? null : count(step.cache_read_tokens)],
    ["Reasoning", step.reasoning_tokens === null ? null : count(step.reasoning_tokens)],
    ["Cost", step.cost_usd === null ? null : cost(step.cost_usd)],
    ["Credits", step.credits === null ? null : count(step.credits)],
    ["Memory", step.memory_mb === null ? null : memory(step.memory_mb)],
    ["Repeats", step.duplicate_of === null ? null : `step ${step.duplicate_of}`],
    ["Mended", step.flags.join(", ") || null],
    ["Span", step.span_id],
  ];
  return facts.flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}

function Logs({ step }: { step: FullStep }) {
  return (
    <>
      <h3>
        Log {step.more_logs && <span className={styles.note}>the first {step.logs.length} lines</span>}
      </h3>
      <ol className={styles.logs}>
        {step.logs.map((line, place) => (
          <li key={place} data-severity={line.severity?.slice(0, 5)}>
            <span className={styles.note}>
              {line.time !== null && new Date(line.time).toLocaleTimeString()} {line.severity ?? ""} {line.event_name ?? ""}
            </span>{" "}
            {typeof line.body === "string" ? line.body : JSON.stringify(line.body)}
          </li>
        ))}
      </ol>
    </>
  );
}

function More({ title, value }: { title: string; value: unknown }) {
  const isEmpty = value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);
  if (isEmpty) return null;
  return (
    <details className={styles.more}>
      <summary>{title}</summary>
      <Json value={value} label={title} />
    </details>
  );
}
