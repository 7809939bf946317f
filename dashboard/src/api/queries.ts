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
      const query = { from: scope.window.from, to: scope.window.to, ...filtersOf(scope) };
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
      const query = { from: scope.window.from, to: scope.window.to, limit: 1000, ...filtersOf(scope) };
      return dataOf(await client.GET("/api/v1/agents", { params: { query }, signal }));
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}

function filtersOf(scope: Scope) {
  return { environment: [...scope.environment], version: [...scope.version] };
}
