/** Keeps the page of a run up to date: while it goes on, and when spans come late. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { EVENTS } from "./events";

/** The pause between two questions grows with what an answer takes. */
const SHORTEST_PAUSE_MS = 100;
const PAUSE_TO_ANSWER = 3;

/** Asks for the run again whenever something happens to it. */
export function useRunEvents(executionId: string, agentId: string | undefined): void {
  const cache = useQueryClient();
  useEffect(() => {
    if (agentId === undefined) return;
    const events = new EventSource(`/api/v1/live/events?agent_id=${encodeURIComponent(agentId)}`);
    let [isAsking, isChanged, isLeft] = [false, false, false];
    const ask = async () => {
      if (isAsking) {
        isChanged = true;
        return;
      }
      [isAsking, isChanged] = [true, false];
      const startedMs = performance.now();
      await cache.invalidateQueries({ queryKey: ["execution", executionId] });
      const pauseMs = Math.max((performance.now() - startedMs) * PAUSE_TO_ANSWER, SHORTEST_PAUSE_MS);
      setTimeout(() => {
        isAsking = false;
        if (isChanged && !isLeft) void ask();
      }, pauseMs);
    };
    const told = (event: MessageEvent<string>) => {
      if (event.data.includes(executionId.slice(0, 32))) void ask();
    };
    for (const name of EVENTS) events.addEventListener(name, told);
    return () => {
      isLeft = true;
      events.close();
    };
  }, [cache, executionId, agentId]);
}
