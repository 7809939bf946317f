/** The clock that views go by: what depends on the time is shown anew with each minute. */
import { useSyncExternalStore } from "react";

export const MINUTE_MS = 60_000;

/** Whole minutes since 1970. */
export function useMinute(): number {
  return useSyncExternalStore(everySecond, currentMinute);
}

function everySecond(changed: () => void): () => void {
  const timer = setInterval(changed, 1000);
  return () => {
    clearInterval(timer);
  };
}

function currentMinute(): number {
  return Math.floor(Date.now() / MINUTE_MS);
}
