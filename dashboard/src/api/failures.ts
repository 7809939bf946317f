/** Questions about failures, and about the newest runs. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, dataOf } from "./client";
import { type Scope, scopeQuery } from "./queries";

const FRESH_MS = 60_000;
const ENDINGS: readonly ("failed" | "timeout")[] = ["failed", "timeout"];

/** Kinds of failures, timeouts among them, the most frequent first. */
export function failuresQuery(agentId: string, scope: Scope, limit: number) {
  return queryOptions({
    queryKey: ["failures", agentId, scope, limit],
    queryFn: async ({ signal }) => {
      const query = { ...scopeQuery(scope), status: [...ENDINGS], limit };
      const params = { path: { agent_id: agentId }, query };
      return dataOf(await client.GET("/api/v1/agents/{agent_id}/failures", { params, signal }));
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}

/** The newest runs of the scope. */
export function recentQuery(agentId: string, scope: Scope, limit: number) {
  return queryOptions({
    queryKey: ["recent", agentId, scope, limit],
    queryFn: async ({ signal }) => {
      const query = { ...scopeQuery(scope), agent_id: [agentId], limit };
      return dataOf(await client.GET("/api/v1/executions", { params: { query }, signal })).items;
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}
