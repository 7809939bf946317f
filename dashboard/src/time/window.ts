/** The time that a view is about, as the URL says it: `range=7d` up to now, or `range=FROM..TO`. */

export interface Window {
  /** RFC 3339, inclusive. */
  from: string;
  /** RFC 3339, exclusive. */
  to: string;
}

export interface Preset {
  range: string;
  label: string;
}

export const PRESETS: readonly Preset[] = [
  { range: "1h", label: "Last hour" },
  { range: "24h", label: "Last 24 hours" },
  { range: "7d", label: "Last 7 days" },
  { range: "30d", label: "Last 30 days" },
  { range: "90d", label: "Last 90 days" },
];

export const DEFAULT_RANGE = "7d";

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const RELATIVE = /^([1-9]\d{0,4})([mhd])$/;

/** Milliseconds of a relative range; `null` for any other text. */
export function lengthMs(range: string): number | null {
  const [, count, unit] = RELATIVE.exec(range) ?? [];
  const unitMs = UNIT_MS[unit ?? ""];
  return count === undefined || unitMs === undefined ? null : Number(count) * unitMs;
}

/** Whether the text is a range: `7d`, or two times that follow each other. */
export function isRange(range: string): boolean {
  return lengthMs(range) !== null || absolute(range) !== null;
}

/** The window of a range. One up to now ends with the minute that goes on, so that answers can be kept for that long. */
export function windowOf(range: string, nowMs: number): Window {
  const fixed = absolute(range);
  if (fixed !== null) return fixed;
  const stopMs = Math.ceil(nowMs / 60_000) * 60_000;
  const startMs = stopMs - (lengthMs(range) ?? 7 * 86_400_000);
  return { from: new Date(startMs).toISOString(), to: new Date(stopMs).toISOString() };
}

/** A range of two times. */
export function rangeOf(startMs: number, stopMs: number): string {
  return `${new Date(startMs).toISOString()}..${new Date(stopMs).toISOString()}`;
}

/** What people call the range, in their own time zone. */
export function labelOf(range: string): string {
  const preset = PRESETS.find((known) => known.range === range);
  if (preset !== undefined) return preset.label;
  const fixed = absolute(range);
  if (fixed === null) return `Last ${range}`;
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  return format.formatRange(new Date(fixed.from), new Date(fixed.to));
}

function absolute(range: string): Window | null {
  const [from, to, ...more] = range.split("..");
  if (from === undefined || to === undefined || more.length > 0) return null;
  const [startMs, stopMs] = [Date.parse(from), Date.parse(to)];
  if (Number.isNaN(startMs) || Number.isNaN(stopMs) || startMs >= stopMs) return null;
  return { from: new Date(startMs).toISOString(), to: new Date(stopMs).toISOString() };
}
