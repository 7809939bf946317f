/** What the filters are called. */
import type { ListFilter } from "../../search";

export const LABELS: Readonly<Record<ListFilter | "agent" | "error" | "environment" | "version", string>> = {
  agent: "Agent",
  error: "Error",
  environment: "Environment",
  version: "Version",
  model: "Model",
  framework: "Framework",
  trigger_type: "Trigger",
  user_id: "User",
  session_id: "Session",
  trace_id: "Trace",
};
