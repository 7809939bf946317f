/** The columns that a table of runs may have. */
import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { UNKNOWN, cost, count, duration, memory } from "../../format/numbers";
import { onlyCommon } from "../../search";
import { Ago } from "../../ui/Ago";
import { Status } from "../../ui/Status";
import type { Column } from "../../ui/Table";
import styles from "./Runs.module.css";

type Run = Schemas["ExecutionSummary"];

export const COLUMNS: readonly Column<Run>[] = [
  { id: "status", label: "Status", show: (run) => <Status status={run.status} /> },
  {
    id: "agent",
    label: "Agent",
    isName: true,
    show: (run) => (
      <Link to="/executions/$executionId" params={{ executionId: run.execution_id }} search={onlyCommon}>
        {run.agent_id}
      </Link>
    ),
  },
  {
    id: "error",
    label: "What went wrong",
    show: (run) => (
      <span className={styles.error} title={run.error_message ?? undefined}>
        {run.error_type !== null && <strong>{run.error_type}</strong>} {run.error_message}
      </span>
    ),
  },
  { id: "duration_ms", label: "Duration", isNumber: true, isSortable: true, show: (run) => duration(run.duration_ms) },
  { id: "steps_total", label: "Steps", isNumber: true, isSortable: true, show: (run) => count(run.steps_total) },
  { id: "tokens", label: "Tokens", isNumber: true, isSortable: true, show: (run) => count(tokensOf(run)) },
  { id: "cost_usd", label: "Cost", isNumber: true, isSortable: true, show: (run) => cost(run.cost_usd) },
  { id: "credits", label: "Credits", isNumber: true, show: (run) => count(run.credits_consumed) },
  { id: "memory", label: "Memory", isNumber: true, show: (run) => memory(run.memory_usage_mb) },
  { id: "calls", label: "API calls", isNumber: true, show: (run) => count(run.api_calls_count) },
  text("environment", "Environment", (run) => run.environment),
  text("version", "Version", (run) => run.version),
  text("models", "Models", (run) => run.models.join(", ") || null),
  text("framework", "Framework", (run) => run.framework),
  text("trigger", "Trigger", (run) => run.trigger_type),
  text("user", "User", (run) => run.user_id),
  text("session", "Session", (run) => run.session_id),
  text("path", "Path", (run) => run.path),
  text("trace", "Trace", (run) => run.trace_id),
  { id: "start_time", label: "Started", isNumber: true, isSortable: true, show: (run) => <Ago time={run.start_time} /> },
];

export const USUAL: readonly string[] = ["status", "agent", "error", "duration_ms", "steps_total", "tokens", "cost_usd", "start_time"];

function text(id: string, label: string, valueOf: (run: Run) => string | null): Column<Run> {
  return { id, label, isName: true, show: (run) => valueOf(run) ?? UNKNOWN };
}

function tokensOf(run: Run): number | null {
  if (run.prompt_tokens === null && run.completion_tokens === null) return null;
  return (run.prompt_tokens ?? 0) + (run.completion_tokens ?? 0);
}
