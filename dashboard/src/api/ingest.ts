/** What came in. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import type { Window } from "../time/window";
import { client, dataOf } from "./client";

export type Signal = "traces" | "logs" | "metrics";

export function ingestQuery(window: Window, signal: Signal) {
  return queryOptions({
    queryKey: ["ingest", window, signal],
    queryFn: async ({ signal: abort }) => {
      const query = { from: window.from, to: window.to, signal };
      return dataOf(await client.GET("/api/v1/ingest", { params: { query }, signal: abort }));
    },
    staleTime: 5000,
    placeholderData: keepPreviousData,
  });
}

const WATCH_MS = 1500;

/** The account of what came since the page was opened, and the newest runs, asked for again and again. */
export function arrivalsQuery(sinceMs: number) {
  return queryOptions({
    queryKey: ["arrivals", sinceMs],
    queryFn: async ({ signal }) => {
      const from = new Date(sinceMs).toISOString();
      const [ledger, runs] = await Promise.all([
        client.GET("/api/v1/ingest", { params: { query: { from } }, signal }),
        client.GET("/api/v1/executions", { params: { query: { from, limit: 5 } }, signal }),
      ]);
      return { totals: dataOf(ledger).totals, runs: dataOf(runs).items };
    },
    refetchInterval: WATCH_MS,
  });
}
