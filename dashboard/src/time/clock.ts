/** One clock for everything that ticks on a page. */
import { useSyncExternalStore } from "react";

const EVERY_MS = 250;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;
let nowMs = Date.now();

/** Milliseconds since 1970, a few times a second. */
export function useClock(): number {
  return useSyncExternalStore(subscribe, current);
}

function subscribe(ticked: () => void): () => void {
  listeners.add(ticked);
  timer ??= setInterval(tick, EVERY_MS);
  return () => {
    listeners.delete(ticked);
    if (listeners.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  };
}

function tick(): void {
  nowMs = Date.now();
  for (const listener of listeners) listener();
}

function current(): number {
  return nowMs;
}
