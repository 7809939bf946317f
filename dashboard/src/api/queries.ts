/** What the views ask of the API: one function a question, with the key under which its answer is kept. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import type { Window } from "../time/window";
import { client, dataOf } from "./client";

/** Figures of closed hours do not change; those of a window up to now are asked for again. */
const FRESH_MS = 15_000;

export interface Scope {
  window: Window;
  environment: readonly string[];
  version: readonly string[];
}

export function analyticsQuery(agentId: string | null, scope: Scope) {
  return queryOptions({
    queryKey: ["analytics", agentId, scope],
    queryFn: async ({ signal }) => {
      const query = scopeQuery(scope);
      if (agentId === null) return dataOf(await client.GET("/api/v1/analytics", { params: { query }, signal }));
      const path = { agent_id: agentId };
      return dataOf(await client.GET("/api/v1/agents/{agent_id}/analytics", { params: { path, query }, signal }));
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}

export function agentsQuery(scope: Scope) {
  return queryOptions({
    queryKey: ["agents", scope],
    queryFn: async ({ signal }) => {
      const query = { ...scopeQuery(scope), limit: 1000 };
      return dataOf(await client.GET("/api/v1/agents", { params: { query }, signal }));
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}

/** What every question about a scope passes on. */
export function scopeQuery({ window, environment, version }: Scope) {
  return { from: window.from, to: window.to, environment: [...environment], version: [...version] };
}

/** What to change about an agent. */
export function suggestionsQuery(agentId: string, scope: Scope) {
  return queryOptions({
    queryKey: ["suggestions", agentId, scope],
    queryFn: async ({ signal }) => {
      const query = scopeQuery(scope);
      const path = { agent_id: agentId };
      return dataOf(await client.GET("/api/v1/agents/{agent_id}/suggestions", { params: { path, query }, signal }));
    },
    staleTime: 60_000,
    placeholderData: keepPreviousData,
  });
}

export async function askLive(signal?: AbortSignal) {
  const params = { query: { limit: 1000 } };
  return dataOf(await client.GET("/api/v1/live", { params, ...(signal === undefined ? {} : { signal }) }));
}

/** The runs that go on now. */
export function liveQuery() {
  return queryOptions({
    queryKey: ["live"],
    queryFn: ({ signal }) => askLive(signal),
    staleTime: 0,
  });
}
