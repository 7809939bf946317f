/** What the compared figures are called, how they are written, and whether more of them is better. */
import type { Schemas } from "../../api/client";
import { UNKNOWN, cost, count, duration, percent } from "../../format/numbers";

export type Difference = Schemas["FigureDifference"];

interface Meaning {
  label: string;
  format: (value: number | null) => string;
  more: "better" | "worse" | "neither";
  /** Rates differ in percentage points. */
  isRate?: boolean;
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  success_rate: { label: "Success rate", format: percent, more: "better", isRate: true },
  failure_rate: { label: "Failure rate", format: percent, more: "worse", isRate: true },
  timeout_rate: { label: "Timeout rate", format: percent, more: "worse", isRate: true },
  avg_duration: { label: "Duration, mean", format: duration, more: "worse" },
  median_duration: { label: "Duration, median", format: duration, more: "worse" },
  p95_duration: { label: "Duration, p95", format: duration, more: "worse" },
  p99_duration: { label: "Duration, p99", format: duration, more: "worse" },
  duration_ms: { label: "Duration", format: duration, more: "worse" },
  tokens: { label: "Tokens per run", format: count, more: "worse" },
  prompt_tokens: { label: "Input tokens per run", format: count, more: "worse" },
  completion_tokens: { label: "Output tokens per run", format: count, more: "worse" },
  cost_usd: { label: "Cost per run", format: cost, more: "worse" },
  steps_total: { label: "Steps per run", format: fine, more: "neither" },
  share: { label: "Share of the runs", format: percent, more: "neither", isRate: true },
};

export function meaningOf(name: string): Meaning {
  return MEANINGS[name] ?? { label: name.replaceAll("_", " "), format: fine, more: "neither" };
}

/** A difference with its sign and unit. */
export function signed(difference: Difference, value: number | null): string {
  if (value === null) return UNKNOWN;
  const { format, isRate } = meaningOf(difference.name);
  const size = isRate === true ? `${(Math.abs(value) * 100).toFixed(1)} pp` : format(Math.abs(value));
  return value === 0 ? "±0" : `${value > 0 ? "+" : "−"}${size}`;
}

export type Verdict = "better" | "worse" | "differs" | "likely better" | "likely worse" | "even" | "too few" | "untested";

const FEWEST = 30;

/** What the difference means: of b against a. Percentiles are not tested; their interval says what is likely. */
export function verdictOf(difference: Difference): Verdict {
  const { p_value: p, low, high, n_a: a, n_b: b } = difference;
  if (p === null && a < 2 && b < 2) return "untested";
  if (Math.min(a, b) < FEWEST) return "too few";
  const { more } = meaningOf(difference.name);
  const isClear = low !== null && high !== null && (low > 0 || high < 0);
  if (!(p === null ? isClear : difference.is_significant)) return "even";
  if (more === "neither" || difference.difference === null) return "differs";
  const word = difference.difference > 0 === (more === "better") ? "better" : "worse";
  return p === null ? `likely ${word}` : word;
}

function fine(value: number | null): string {
  return value === null ? UNKNOWN : value < 100 && !Number.isInteger(value) ? value.toFixed(value < 1 ? 2 : 1) : count(value);
}
