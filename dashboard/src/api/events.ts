/** What happens to runs, as the API streams it; browsers come back by themselves and get what they missed. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

export const EVENTS = ["execution.started", "step.started", "step.completed", "execution.updated", "execution.completed"] as const;
/** Many events come together; the list is asked for once for all of them. */
const GATHER_MS = 50;

/** Keeps the list of the runs that go on up to date for as long as it is shown. */
export function useLiveUpdates(): void {
  const cache = useQueryClient();
  useEffect(() => {
    const events = new EventSource("/api/v1/live/events");
    let waiting: ReturnType<typeof setTimeout> | null = null;
    const changed = () => {
      waiting ??= setTimeout(() => {
        waiting = null;
        void cache.invalidateQueries({ queryKey: ["live"] });
      }, GATHER_MS);
    };
    for (const name of EVENTS) events.addEventListener(name, changed);
    events.addEventListener("open", changed);
    return () => {
      events.close();
      if (waiting !== null) clearTimeout(waiting);
    };
  }, [cache]);
}
