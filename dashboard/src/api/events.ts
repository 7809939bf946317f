/** What happens to runs, as the API streams it; browsers come back by themselves and get what they missed. */
import { type QueryClient, noop, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { type LiveEvent, withEvents } from "./liveRuns";
import { askLive, liveQuery } from "./queries";

export const EVENTS = ["execution.started", "step.started", "step.completed", "execution.updated", "execution.completed"] as const;
/** Many events come together; they are shown together, once a frame. */
const GATHER_MS = 16;

/** What only the API knows, such as what is likely stuck, is asked for now and then. */
const FIGURES_MS = 10_000;

/** Keeps the list of the runs that go on up to date for as long as it is shown. */
export function useLiveUpdates(): void {
  const cache = useQueryClient();
  useEffect(() => {
    const leaving = new AbortController();
    const following = follow(cache, leaving.signal);
    const timer = setInterval(following.ask, FIGURES_MS);
    return () => {
      leaving.abort();
      clearInterval(timer);
    };
  }, [cache]);
}

function follow(cache: QueryClient, leaving: AbortSignal): { ask: () => void } {
  const { queryKey } = liveQuery();
  const events = new EventSource("/api/v1/live/events");
  let told: LiveEvent[] = [];
  let since: LiveEvent[] = [];
  let waiting: ReturnType<typeof setTimeout> | null = null;
  const show = () => {
    waiting = null;
    const news = told;
    told = [];
    cache.setQueryData(queryKey, (page) => (page === undefined ? page : { ...page, items: withEvents(page.items, news) }));
  };
  const take = (event: LiveEvent) => {
    told.push(event);
    since.push(event);
    waiting ??= setTimeout(show, GATHER_MS);
  };
  // An answer may be older than events that have come meanwhile: they are put on top of it.
  const ask = async () => {
    since = [];
    const page = await askLive(leaving);
    cache.setQueryData(queryKey, { ...page, items: withEvents(page.items, since) });
  };
  const tryToAsk = () => {
    // What fails is asked for again soon.
    ask().catch(noop);
  };
  for (const name of EVENTS) {
    events.addEventListener(name, ({ data }: MessageEvent<string>) => {
      take({ name, data });
    });
  }
  events.addEventListener("open", tryToAsk);
  leaving.addEventListener("abort", () => {
    events.close();
    if (waiting !== null) clearTimeout(waiting);
  });
  return { ask: tryToAsk };
}
