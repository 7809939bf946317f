import { Link } from "@tanstack/react-router";
import { Popover } from "radix-ui";

import type { Schemas } from "../../api/client";
import { cost, count, duration, memory } from "../../format/numbers";
import { Ago } from "../../ui/Ago";
import { Copy } from "../../ui/Copy";
import { Status } from "../../ui/Status";
import styles from "./Header.module.css";
import { isOpen } from "./steps";

type Run = Schemas["Execution"];

const FORMATS = [
  ["jsonl", "JSON Lines"],
  ["csv", "CSV"],
  ["parquet", "Parquet"],
] as const;

/** Which run this is, its figures, and what can be done with it. */
export function Header({ run, nowMs, help }: { run: Run; nowMs: number; help: () => void }) {
  return (
    <header className={styles.header}>
      <div className={styles.top}>
        <div className={styles.title}>
          <h1>
            <Link to="/agents/$agentId" params={{ agentId: run.agent_id }} search={keepRange}>
              {run.agent_id}
            </Link>
          </h1>
          <Status status={run.status} />
          <span className={styles.when}>
            <Ago time={run.start_time} />
          </span>
          <code className={styles.id}>{run.execution_id}</code>
        </div>
        <div className={styles.tools}>
          <Copy text={run.execution_id} label="Copy id" />
          <Copy text={() => curlOf(run)} label="Copy as curl" />
          <Export run={run} />
          <button type="button" className={styles.tool} onClick={help} aria-label="Keyboard help">
            ?
          </button>
        </div>
      </div>
      <dl className={styles.facts}>
        {factsOf(run, nowMs).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </header>
  );
}

/** What is known; what nobody told is left out. */
function factsOf(run: Run, nowMs: number): [string, string][] {
  const tokens = run.prompt_tokens === null && run.completion_tokens === null;
  const facts: [string, string | null][] = [
    ["Duration", isOpen(run) ? duration(nowMs) : duration(run.duration_ms)],
    ["Steps", isOpen(run) ? `${count(run.steps_completed)} of ${count(run.steps_total)}` : count(run.steps_total)],
    ["Tokens", tokens ? null : `${count(run.prompt_tokens)} in · ${count(run.completion_tokens)} out`],
    ["Cost", run.cost_usd === null ? null : cost(run.cost_usd)],
    ["Credits", run.credits_consumed === null ? null : count(run.credits_consumed)],
    ["Memory", run.memory_usage_mb === null ? null : memory(run.memory_usage_mb)],
    ["Started", new Date(run.start_time).toLocaleString()],
    ["Models", run.models.join(", ") || null],
    ["Version", run.version],
    ["Environment", run.environment],
    ["Framework", run.framework],
    ["Trigger", run.trigger_type],
    ["User", run.user_id],
    ["Session", run.session_id],
  ];
  return facts.flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}

function Export({ run }: { run: Run }) {
  const query = new URLSearchParams({
    trace_id: run.trace_id,
    from: run.start_time,
    to: new Date(Date.parse(run.start_time) + 1000).toISOString(),
  });
  return (
    <Popover.Root>
      <Popover.Trigger className={styles.tool}>Export</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={styles.menu} align="end" sideOffset={6} aria-label="Export the steps">
          {FORMATS.map(([format, label]) => (
            <a key={format} href={`/api/v1/export/steps?${query.toString()}&format=${format}`} download>
              Steps as {label}
            </a>
          ))}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function curlOf(run: Run): string {
  return `curl -s --compressed '${window.location.origin}/api/v1/executions/${encodeURIComponent(run.execution_id)}'`;
}

export function keepRange(search: { range?: string }): { range?: string } {
  return search.range === undefined ? {} : { range: search.range };
}
