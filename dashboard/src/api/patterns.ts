/** Questions about how an agent's runs go. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, dataOf } from "./client";
import { type Scope, scopeQuery } from "./queries";

const FRESH_MS = 60_000;
/** Items of each list. */
const MOST = 60;

export function patternsQuery(agentId: string, scope: Scope) {
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return queryOptions({
    queryKey: ["patterns", agentId, scope],
    queryFn: async ({ signal }) => {
      const params = { path: { agent_id: agentId }, query: { ...scopeQuery(scope), tz, limit: MOST } };
      return dataOf(await client.GET("/api/v1/agents/{agent_id}/patterns", { params, signal }));
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}
