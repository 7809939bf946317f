/** Stretches of time: one that somebody has dragged over, and what it is compared with. */
import type { Window } from "../../time/window";
import { sideOf } from "../compare/sides";

/** What is before it in the window, unless what is after it is longer; the stretch itself is the second side. */
export function sidesOfSpike(window: Window, startMs: number, stopMs: number): [string, string] {
  const [fromMs, toMs] = [Date.parse(window.from), Date.parse(window.to)];
  const isBefore = startMs - fromMs >= toMs - stopMs;
  const around = isBefore ? side(fromMs, startMs) : side(stopMs, toMs);
  return [around, side(startMs, stopMs)];
}

function side(startMs: number, stopMs: number): string {
  return sideOf("window", `${new Date(startMs).toISOString()}/${new Date(stopMs).toISOString()}`);
}

const HOUR_MS = 3_600_000;

/** The window in whole hours: what is asked about it can be kept until the hour is over. */
export function wholeHours(window: Window): Window {
  const [from, to] = [window.from, window.to].map((time) => new Date(Math.ceil(Date.parse(time) / HOUR_MS) * HOUR_MS).toISOString());
  return { from: from ?? window.from, to: to ?? window.to };
}
