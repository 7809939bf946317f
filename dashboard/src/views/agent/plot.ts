/** Where the marks of the newest runs stand: time from left to right, durations on a logarithmic scale upwards. */
import type { Schemas } from "../../api/client";

type Run = Schemas["ExecutionSummary"];

export const WIDTH = 1000;
export const HEIGHT = 160;
const MARGIN = 8;

export interface Mark {
  run: Run;
  x: number;
  y: number;
}

export interface Plot {
  marks: readonly Mark[];
  ticks: readonly { ms: number; y: number }[];
  start: string;
  stop: string;
}

const shown = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function plot(runs: readonly Run[]): Plot {
  const times = runs.map((run) => Date.parse(run.start_time));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const known = runs.flatMap((run) => (run.duration_ms === null ? [] : [Math.max(run.duration_ms, 0.001)]));
  const [low, high] = [Math.floor(Math.log10(Math.min(...known, 1e9))), Math.ceil(Math.log10(Math.max(...known, 0.001)))];
  const heightOf = (ms: number) => HEIGHT - MARGIN - ((Math.log10(ms) - low) / Math.max(high - low, 1)) * (HEIGHT - 2 * MARGIN);
  const marks = runs.map((run) => ({
    run,
    x: MARGIN + ((Date.parse(run.start_time) - first) / Math.max(last - first, 1)) * (WIDTH - 2 * MARGIN),
    // One that goes on has no duration yet: it stands at the bottom.
    y: run.duration_ms === null ? HEIGHT - MARGIN : heightOf(Math.max(run.duration_ms, 0.001)),
  }));
  const powers = known.length === 0 ? [] : Array.from({ length: Math.max(high - low, 1) + 1 }, (_, place) => low + place);
  return {
    marks,
    ticks: powers.map((power) => ({ ms: 10 ** power, y: heightOf(10 ** power) })),
    start: runs.length === 0 ? "" : shown.format(first),
    stop: runs.length === 0 ? "" : shown.format(last),
  };
}
