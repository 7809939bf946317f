/** The list of runs: as the API is asked for it page by page, as a file, and as a line for the shell. */
import { infiniteQueryOptions, keepPreviousData } from "@tanstack/react-query";

import { client, dataOf } from "./client";
import { type Scope, scopeQuery } from "./queries";
import type { paths } from "./schema";
import { LIST_FILTERS, NUMBER_FILTERS, type RunsSearch } from "../search";

type Asked = NonNullable<paths["/api/v1/executions"]["get"]["parameters"]["query"]>;
export type RunSort = NonNullable<Asked["sort"]>;
export type RunQuery = Omit<Asked, "cursor" | "limit">;

const FRESH_MS = 15_000;
const PAGE = 100;

/** What the URL says, as the API takes it. */
export function runQueryOf(scope: Scope, search: RunsSearch): RunQuery {
  const { trigger_type: triggers = [] } = search;
  return {
    ...scopeQuery(scope),
    ...picked(search, LIST_FILTERS.filter((name) => name !== "trigger_type")),
    ...picked(search, NUMBER_FILTERS),
    ...picked(search, ["path", "q", "status"]),
    ...(triggers.length > 0 ? { trigger_type: TRIGGERS.filter((word) => triggers.includes(word)) } : {}),
    ...(search.agent === undefined ? {} : { agent_id: search.agent }),
    ...(search.error === undefined ? {} : { error_type: search.error }),
    sort: search.sort ?? "-start_time",
  };
}

export const TRIGGERS = ["manual", "scheduled", "webhook", "api"] as const;

function picked<Name extends keyof RunsSearch>(search: RunsSearch, names: readonly Name[]): Partial<Pick<RunsSearch, Name>> {
  const found: Partial<Pick<RunsSearch, Name>> = {};
  for (const name of names) if (search[name] !== undefined) found[name] = search[name];
  return found;
}

/** Runs, page by page. */
export function runsQuery(query: RunQuery) {
  return infiniteQueryOptions({
    queryKey: ["executions", query],
    queryFn: async ({ pageParam, signal }) => {
      const asked = { ...query, limit: PAGE, ...(pageParam === null ? {} : { cursor: pageParam }) };
      return dataOf(await client.GET("/api/v1/executions", { params: { query: asked }, signal }));
    },
    initialPageParam: firstPage(),
    getNextPageParam: (page) => page.next_cursor,
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
}

function firstPage(): string | null {
  return null;
}

export const FORMATS = ["csv", "jsonl", "parquet"] as const;

/** Where all runs that match can be had as a file, in no other order than the newest first. */
export function exportUrl({ sort: _order, ...query }: RunQuery, format: (typeof FORMATS)[number]): string {
  return `/api/v1/export/executions?${parametersOf({ ...query, format }).toString()}`;
}

/** The same question as a line for the shell. */
export function curlOf(query: RunQuery): string {
  const address = `${window.location.origin}/api/v1/executions?${parametersOf({ ...query }).toString()}`;
  return `curl -s '${address.replaceAll("'", "%27")}'`;
}

function parametersOf(query: Record<string, unknown>): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    for (const each of values) if (typeof each === "string" || typeof each === "number") parameters.append(name, String(each));
  }
  return parameters;
}
