/** The time within a run, for bars of steps that go on. */
import { useEffect, useState } from "react";

const EVERY_MS = 250;

/** Milliseconds since the run's start; stands still where nothing goes on. */
export function useNow(isTicking: boolean, startTime: string): number {
  const startMs = Date.parse(startTime);
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    if (!isTicking) return;
    const timer = setInterval(() => {
      setNowMs(Date.now());
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
    };
  }, [isTicking]);
  return nowMs - startMs;
}
