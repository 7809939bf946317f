/** What the page of a run asks of the API; what goes on tells by itself when to ask again (`runEvents`). */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, dataOf } from "./client";

/** A run without its steps. */
export function runQuery(executionId: string) {
  return queryOptions({
    queryKey: ["execution", executionId, "row"],
    queryFn: async ({ signal }) => {
      const params = { path: { execution_id: executionId }, query: { graph: false } };
      return dataOf(await client.GET("/api/v1/executions/{execution_id}", { params, signal }));
    },
  });
}

/** All steps of a run by columns. */
export function timelineQuery(executionId: string) {
  return queryOptions({
    queryKey: ["execution", executionId, "timeline"],
    queryFn: async ({ signal }) => {
      const params = { path: { execution_id: executionId } };
      return dataOf(await client.GET("/api/v1/executions/{execution_id}/timeline", { params, signal }));
    },
    // Comparing tens of thousands of figures to keep what did not change costs more than drawing them.
    structuralSharing: false,
  });
}

/** One step with what it carried. */
export function stepQuery(executionId: string, index: number) {
  return queryOptions({
    queryKey: ["execution", executionId, "step", index],
    queryFn: async ({ signal }) => {
      const params = { path: { execution_id: executionId }, query: { first: index, limit: 1 } };
      const page = dataOf(await client.GET("/api/v1/executions/{execution_id}/steps", { params, signal }));
      return page.items[0] ?? null;
    },
    placeholderData: keepPreviousData,
  });
}

/** What to do about a run that did not succeed. */
export function recoveryQuery(executionId: string) {
  return queryOptions({
    queryKey: ["execution", executionId, "recovery"],
    queryFn: async ({ signal }) => {
      const path = { execution_id: executionId };
      return dataOf(await client.GET("/api/v1/executions/{execution_id}/recovery", { params: { path }, signal }));
    },
  });
}

/** Has the agent's webhook do what is advised. */
export async function recover(executionId: string) {
  const params = { path: { execution_id: executionId } };
  return dataOf(await client.POST("/api/v1/executions/{execution_id}/recovery", { params, body: { force: false } }));
}

const STEPS_A_PAGE = 100;

/** The run as a conversation from a step on, page by page. */
export function transcriptQuery(executionId: string, first: number) {
  return infiniteQueryOptions({
    queryKey: ["execution", executionId, "transcript", first],
    queryFn: async ({ pageParam, signal }) => {
      const query = { first, limit: STEPS_A_PAGE, ...(pageParam === null ? {} : { cursor: pageParam }) };
      const params = { path: { execution_id: executionId }, query };
      return dataOf(await client.GET("/api/v1/executions/{execution_id}/transcript", { params, signal }));
    },
    initialPageParam: firstPage(),
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}

function firstPage(): string | null {
  return null;
}
