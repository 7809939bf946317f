/** What the ledger's reasons mean, as the documentation of the metrics tells it. */
import metrics from "../../../../docs/metrics.md?raw";
import { partsOf, rowsOf } from "../../documentation/markdown";

const REASONS = new Map(
  rowsOf(metrics.slice(metrics.indexOf("| reason | the span |"))).map(([reason = "", meaning = ""]) => [
    reason.replaceAll("`", ""),
    partsOf(meaning)
      .map(({ text }) => text)
      .join(""),
  ]),
);

/** Of requests, log records and what was deleted on purpose or by its age. */
const OTHERS: Readonly<Record<string, string>> = {
  malformed: "cannot be decoded",
  unauthenticated: "came without a key, or with one that is not known here",
  too_large: "is larger than the limit after decompression: send smaller batches",
  unsupported_media_type: "has a content type that OTLP does not know",
  unsupported_encoding: "is compressed in a way that OTLP does not know",
  overloaded: "came while too much waited; the sender was told to come again",
  queue_full: "came while too much waited; the sender was told to come again",
  database_unavailable: "came while the database was away; the sender was told to come again",
  no_span_context: "was written outside of any span",
  not_stored: "tells no memory of a process",
  no_agent_activity: "is of traces without any agent, model or tool",
  retention: "is older than what the workspace keeps",
  deleted: "was deleted on purpose, or sent again after that",
};

export function meaningOf(reason: string): string {
  return REASONS.get(reason) ?? OTHERS[reason] ?? "";
}
