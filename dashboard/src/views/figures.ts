/** What the figures of an agent, or of all, look like as cards and series. */
import type { Schemas } from "../api/client";
import { count, duration, percent } from "../format/numbers";
import type { Series } from "../ui/TimeChart";

export type Analytics = Schemas["Analytics"];

const countOf = (value: number | null) => count(value);
const durationOf = (value: number | null) => duration(value);

const HOUR_MS = 3_600_000;

/**
 * Hours without runs are left out of the answer; a chart needs them, or its line would run through them. One more on
 * either side tells the chart how wide an hour is where runs are in a single one.
 */
export function everyHour(hours: readonly string[]): number[] {
  const known = hours.map((hour) => Date.parse(hour));
  const [first, last] = [known[0], known[known.length - 1]];
  if (first === undefined || last === undefined) return [];
  const start = first - HOUR_MS;
  return Array.from({ length: Math.round((last - start) / HOUR_MS) + 2 }, (_, place) => start + place * HOUR_MS);
}

/** Values by the hour, `null` in hours without any. */
export function spread<Row extends { hour: string }>(
  timesMs: readonly number[],
  rows: readonly Row[],
  valueOf: (row: Row) => number | null,
  missing: number | null = null,
): (number | null)[] {
  const values = new Map(rows.map((row) => [Date.parse(row.hour), valueOf(row)]));
  return timesMs.map((ms) => (values.has(ms) ? (values.get(ms) ?? null) : missing));
}

export function loadSeries(timesMs: readonly number[], analytics: Analytics): Series[] {
  const rows = analytics.execution_patterns;
  const failed = (row: (typeof rows)[number]) => Math.round(row.execution_count * (1 - row.success_rate / 100));
  return [
    {
      label: "Runs",
      colour: "--accent",
      shape: "bars",
      values: spread(timesMs, rows, (row) => row.execution_count, 0),
      format: countOf,
    },
    { label: "Without success", colour: "--bad", shape: "bars", values: spread(timesMs, rows, failed, 0), format: countOf },
  ];
}

export function durationSeries(timesMs: readonly number[], analytics: Analytics): Series[] {
  const rows = analytics.execution_patterns;
  return [
    { label: "p95", colour: "--warn", values: spread(timesMs, rows, (row) => row.p95_duration), format: durationOf },
    {
      label: "Mean",
      colour: "--info",
      isDashed: true,
      values: spread(timesMs, rows, (row) => row.avg_duration),
      format: durationOf,
    },
  ];
}

/** A sentence for those who do not see the chart. */
export function loadSummary(analytics: Analytics): string {
  const { statistics } = analytics;
  const busiest = analytics.execution_patterns.reduce<Analytics["execution_patterns"][number] | undefined>(
    (best, each) => (each.execution_count > (best?.execution_count ?? 0) ? each : best),
    undefined,
  );
  const peak =
    busiest === undefined ? "" : ` The busiest hour began ${new Date(busiest.hour).toLocaleString()}, ${count(busiest.execution_count)} runs.`;
  return `${count(statistics.total_executions)} runs, ${percent(successOf(analytics))} successful.${peak}`;
}

/** The success rate as a fraction; the API gives it in percent here. */
export function successOf(analytics: Analytics): number | null {
  return analytics.success_rate === null ? null : analytics.success_rate / 100;
}
