/** Questions that set two sides against each other, and what sides there are. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, dataOf } from "./client";
import { type Scope, scopeQuery } from "./queries";
import type { paths } from "./schema";

/** Taken by its address: the API has another comparison, of a figure with a limit. */
export type Comparison = paths["/api/v1/agents/{agent_id}/compare"]["get"]["responses"]["200"]["content"]["application/json"];

const FRESH_MS = 60_000;

/** Sides as the API takes them: `version:1.2`, `window:FROM/TO`, `execution:ID`. */
export function comparisonQuery(agentId: string, a: string, b: string, scope: Scope) {
  return queryOptions({
    queryKey: ["comparison", agentId, a, b, scope],
    queryFn: async ({ signal }) => {
      const params = { path: { agent_id: agentId }, query: { ...scopeQuery(scope), a, b } };
      return dataOf(await client.GET("/api/v1/agents/{agent_id}/compare", { params, signal }));
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}

/** What runs of the time may be filtered by; of all agents with `null`. */
export function facetsQuery(agentId: string | null, scope: Scope) {
  const { from, to } = scope.window;
  return queryOptions({
    queryKey: ["facets", agentId, from, to],
    queryFn: async ({ signal }) => {
      const query = { from, to, ...(agentId === null ? {} : { agent_id: agentId }) };
      return dataOf(await client.GET("/api/v1/facets", { params: { query }, signal }));
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}
