import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";

import { ApiError, type Schemas } from "../api/client";
import { recoveryQuery, runQuery, stepQuery } from "../api/queries";
import { cost, count, duration, memory } from "../format/numbers";
import { Json } from "../ui/Json";
import { Failure, Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import { Status } from "../ui/Status";
import { Waiting } from "../ui/Waiting";
import page from "./Page.module.css";
import styles from "./Run.module.css";
import { Waterfall } from "./Waterfall";
import { firstShown } from "./waterfall";

const route = getRouteApi("/executions/$executionId");
type Run = Schemas["Execution"];

/** One run: what went wrong, where the time went, and what each step carried. */
export function Run() {
  const { executionId } = route.useParams();
  const run = useQuery(runQuery(executionId));
  if (run.error !== null) {
    if (run.error instanceof ApiError && run.error.status === 404) {
      return <Notice title="There is no such run">It may have been deleted, or its spans have not come yet.</Notice>;
    }
    return <Failure error={run.error} retry={() => void run.refetch()} />;
  }
  if (run.data === undefined) return <Waiting what="the run" />;
  return <Shown run={run.data} />;
}

function Shown({ run }: { run: Run }) {
  const { step } = route.useSearch();
  const navigate = useNavigate({ from: "/executions/$executionId" });
  const nodes = run.execution_graph?.nodes ?? [];
  const index = step ?? firstShown(nodes);
  return (
    <div className={page["page"]}>
      <Header run={run} />
      {run.error_type !== null && <Failed run={run} />}
      <Panel title="Steps" note="the critical path is marked; arrow keys move">
        <Waterfall
          nodes={nodes}
          selected={index}
          select={(chosen) => {
            void navigate({ search: (search) => ({ ...search, step: chosen }), replace: true });
          }}
        />
      </Panel>
      {nodes.length > 0 && <StepPanel executionId={run.execution_id} index={index} version={run.updated_at} />}
      <div className={styles.payloads}>
        <Panel title="Input">
          <Json value={run.input_data} />
        </Panel>
        <Panel title="Output">
          <Json value={run.output_data} />
        </Panel>
      </div>
      {run.checkpoints.length > 0 && (
        <Panel title="Checkpoints" note={`${run.checkpoints.length}`}>
          <Json value={run.checkpoints} />
        </Panel>
      )}
      {run.siblings.length > 0 && <Siblings run={run} />}
    </div>
  );
}

function Header({ run }: { run: Run }) {
  const facts: readonly (readonly [string, string])[] = [
    ["Duration", duration(run.duration_ms)],
    ["Steps", count(run.steps_total)],
    ["Tokens", `${count(run.prompt_tokens)} in, ${count(run.completion_tokens)} out`],
    ["Cost", cost(run.cost_usd)],
    ["Credits", count(run.credits_consumed)],
    ["Memory", memory(run.memory_usage_mb)],
    ["Started", new Date(run.start_time).toLocaleString()],
    ["Environment", run.environment ?? "not told"],
    ["Version", run.version ?? "not told"],
    ["Framework", run.framework ?? "not told"],
    ["Models", run.models.join(", ") || "none"],
    ["Trigger", run.trigger_type ?? "not told"],
  ];
  return (
    <header className={styles.header}>
      <h1>
        <Link to="/agents/$agentId" params={{ agentId: run.agent_id }} search={keepRange}>
          {run.agent_id}
        </Link>{" "}
        <Status status={run.status} />
      </h1>
      <code className={styles.id}>{run.execution_id}</code>
      <dl className={styles.facts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </header>
  );
}

function Failed({ run }: { run: Run }) {
  const recovery = useQuery(recoveryQuery(run.execution_id)).data;
  return (
    <section className={styles.failed} aria-label="What went wrong">
      <p>
        <strong>{run.error_type}</strong>
        {run.error_step_name !== null && <> at the step {run.error_step_name}</>}
      </p>
      {run.error_message !== null && <p className={styles.message}>{run.error_message}</p>}
      {recovery?.action != null && (
        <p>
          <strong>What to do:</strong> {recovery.action.replaceAll("_", " ")}
          {recovery.retry_success_rate !== null && (
            <>
              {" "}
              – after the same failure, {Math.round(recovery.retry_success_rate * 100)} % of {count(recovery.n)}{" "}
              repetitions succeeded
            </>
          )}
        </p>
      )}
    </section>
  );
}

function StepPanel({ executionId, index, version }: { executionId: string; index: number; version: string }) {
  const { data: step, error, isPending } = useQuery(stepQuery(executionId, index, version));
  if (error !== null) return <Notice kind="error" title="The step could not be loaded" />;
  if (isPending) return <Waiting what="the step" />;
  if (step === null) return <Notice title="This step is no longer stored" />;
  return (
    <Panel title={step.step_name} note={`step ${step.step_index}, ${step.operation}`}>
      <dl className={styles.facts}>
        <div>
          <dt>Status</dt>
          <dd>
            <Status status={step.status} />
          </dd>
        </div>
        <div>
          <dt>Duration</dt>
          <dd>{duration(step.duration_ms)}</dd>
        </div>
        <div>
          <dt>Of its own</dt>
          <dd>{duration(step.self_duration_ms)}</dd>
        </div>
        <div>
          <dt>Model</dt>
          <dd>{step.model ?? "none"}</dd>
        </div>
        <div>
          <dt>Tokens</dt>
          <dd>{count(step.tokens_used)}</dd>
        </div>
        <div>
          <dt>Attempt</dt>
          <dd>{step.attempt}</dd>
        </div>
      </dl>
      {step.error_message !== null && <p className={styles.message}>{step.error_message}</p>}
      <div className={styles.payloads}>
        <div>
          <h3>Input</h3>
          <Json value={step.input} />
        </div>
        <div>
          <h3>Output</h3>
          <Json value={step.output} />
        </div>
      </div>
      <details>
        <summary>Attributes</summary>
        <Json value={step.attributes} />
      </details>
    </Panel>
  );
}

function Siblings({ run }: { run: Run }) {
  return (
    <Panel title="Other runs of the trace">
      <ul>
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

function keepRange(search: { range?: string }): { range?: string } {
  return search.range === undefined ? {} : { range: search.range };
}
