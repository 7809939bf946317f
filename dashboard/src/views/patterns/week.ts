/** Runs by weekday and hour of the day, by the clocks of the reader. */
import type { Analytics } from "../figures";

type Hour = Analytics["execution_patterns"][number];

export const WEEKDAYS = 7;
export const HOURS = 24;
const HOUR_MS = 3_600_000;

/** One hour of one weekday over all weeks of the window; rates and means are `null` without runs. */
export interface Cell {
  /** Runs in such an hour, on average over those that the window holds; `null` where it holds none. */
  runsPerHour: number | null;
  runs: number;
  successRate: number | null;
  durationMs: number | null;
}

interface Sums {
  hours: number;
  runs: number;
  successes: number;
  durationMs: number;
  durationRuns: number;
}

/** Cells by weekday (Monday first) and hour. */
export function weekOf(hours: readonly Hour[], fromMs: number, toMs: number): Cell[][] {
  const sums = Array.from({ length: WEEKDAYS }, () => Array.from({ length: HOURS }, nothing));
  const at = (ms: number) => {
    const time = new Date(ms);
    return sums[(time.getDay() + 6) % WEEKDAYS]?.[time.getHours()] ?? nothing();
  };
  for (let ms = Math.floor(fromMs / HOUR_MS) * HOUR_MS; ms < toMs; ms += HOUR_MS) at(ms).hours += 1;
  for (const hour of hours) {
    const sum = at(Date.parse(hour.hour));
    sum.runs += hour.execution_count;
    sum.successes += (hour.execution_count * hour.success_rate) / 100;
    if (hour.avg_duration !== null) {
      sum.durationMs += hour.avg_duration * hour.execution_count;
      sum.durationRuns += hour.execution_count;
    }
  }
  return sums.map((day) => day.map(cellOf));
}

function nothing(): Sums {
  return { hours: 0, runs: 0, successes: 0, durationMs: 0, durationRuns: 0 };
}

function cellOf(sum: Sums): Cell {
  return {
    runs: sum.runs,
    runsPerHour: sum.hours === 0 ? null : sum.runs / sum.hours,
    successRate: sum.runs === 0 ? null : sum.successes / sum.runs,
    durationMs: sum.durationRuns === 0 ? null : sum.durationMs / sum.durationRuns,
  };
}
