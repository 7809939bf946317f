import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import type { Schemas } from "../api/client";
import { type RunFilters, type RunSort, runsQuery } from "../api/queries";
import { cost, count, duration } from "../format/numbers";
import { type RunsSearch, readRuns } from "../search";
import { Ago } from "../ui/Ago";
import { Failure, Notice } from "../ui/Notice";
import { STATUSES, Status } from "../ui/Status";
import table from "../ui/Table.module.css";
import { Waiting } from "../ui/Waiting";
import { useScope } from "../ui/scope";
import styles from "./Runs.module.css";

const route = getRouteApi("/executions");
type Run = Schemas["ExecutionSummary"];

const SORTS: readonly { label: string; value: RunSort }[] = [
  { label: "Newest first", value: "-start_time" },
  { label: "Longest first", value: "-duration_ms" },
  { label: "Most expensive first", value: "-cost_usd" },
  { label: "Most tokens first", value: "-tokens" },
  { label: "Most steps first", value: "-steps_total" },
];

/** All runs of the time: filters, search in what was said, order, and pages that come by themselves. */
export function Runs() {
  const search = route.useSearch();
  const filters: RunFilters = {
    agent_id: search.agent ?? [],
    status: search.status ?? [],
    error_type: search.error ?? [],
    path: search.path ?? null,
    q: search.q ?? null,
    sort: search.sort ?? "-start_time",
  };
  const runs = useInfiniteQuery(runsQuery(useScope(), filters));
  const first = runs.data?.pages[0];
  return (
    <div className={styles.page}>
      <h1>Runs</h1>
      <Filters search={search} />
      {runs.error !== null && <Failure error={runs.error} retry={() => void runs.refetch()} />}
      {runs.error === null && first === undefined && <Waiting what="the runs" />}
      {first !== undefined && (
        <>
          <p className={styles.total} role="status">
            {first.total === null ? `over ${count(first.total_at_least)}` : count(first.total)} runs
            {!first.search_complete && "; the newest are still being read for the search"}
          </p>
          <RunTable runs={runs.data?.pages.flatMap((page) => page.items) ?? []} />
          <MorePages isMore={runs.hasNextPage} isComing={runs.isFetchingNextPage} fetch={() => void runs.fetchNextPage()} />
        </>
      )}
    </div>
  );
}

function Filters({ search }: { search: RunsSearch }) {
  const navigate = useNavigate({ from: "/executions" });
  const [text, setText] = useState(search.q ?? "");

  /** What becomes `undefined` leaves the URL. */
  function change(changed: { [Name in keyof RunsSearch]?: RunsSearch[Name] | undefined }) {
    void navigate({ search: (before) => readRuns({ ...before, ...changed }) });
  }

  return (
    <form
      className={styles.filters}
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        change({ q: text.trim() });
      }}
    >
      <input
        type="search"
        aria-label="Search in errors, steps, inputs and outputs"
        placeholder="Search in errors, steps, inputs and outputs"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
        }}
      />
      <fieldset className={styles.statuses}>
        <legend className="visually-hidden">Status</legend>
        {STATUSES.map((status) => (
          <label key={status}>
            <input
              type="checkbox"
              checked={search.status?.includes(status) ?? false}
              onChange={(event) => {
                const others = (search.status ?? []).filter((word) => word !== status);
                const chosen = event.target.checked ? [...others, status] : others;
                change({ status: chosen });
              }}
            />
            <Status status={status} />
          </label>
        ))}
      </fieldset>
      <label>
        <span className="visually-hidden">Order</span>
        <select
          value={search.sort ?? "-start_time"}
          onChange={(event) => {
            const chosen = SORTS.find(({ value }) => value === event.target.value);
            if (chosen !== undefined) change({ sort: chosen.value });
          }}
        >
          {SORTS.map(({ label, value }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {[...(search.agent ?? []), ...(search.error ?? []), ...(search.path === undefined ? [] : [search.path])].map((name) => (
        <button
          key={name}
          type="button"
          onClick={() => {
            change({ agent: undefined, error: undefined, path: undefined });
          }}
        >
          {name} <span aria-hidden="true">✕</span>
          <span className="visually-hidden">remove this filter</span>
        </button>
      ))}
    </form>
  );
}

function RunTable({ runs }: { runs: readonly Run[] }) {
  if (runs.length === 0) return <Notice title="No run matches">Widen the time or take filters away.</Notice>;
  const number = table["number"];
  return (
    <div className={table["scroller"]}>
      <table className={table["table"]}>
        <thead>
          <tr>
            <th scope="col">Status</th>
            <th scope="col">Agent</th>
            <th scope="col">What went wrong</th>
            <th scope="col" className={number}>
              Duration
            </th>
            <th scope="col" className={number}>
              Steps
            </th>
            <th scope="col" className={number}>
              Tokens
            </th>
            <th scope="col" className={number}>
              Cost
            </th>
            <th scope="col" className={number}>
              Started
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.execution_id}>
              <td>
                <Status status={run.status} />
              </td>
              <td className={table["name"]}>
                <Link to="/executions/$executionId" params={{ executionId: run.execution_id }} search={(search) => ({ ...(search.range === undefined ? {} : { range: search.range }) })}>
                  {run.agent_id}
                </Link>
              </td>
              <td className={styles.error}>
                {run.error_type !== null && <strong>{run.error_type}</strong>} {run.error_message}
              </td>
              <td className={number}>{duration(run.duration_ms)}</td>
              <td className={number}>{count(run.steps_total)}</td>
              <td className={number}>{count(tokensOf(run))}</td>
              <td className={number}>{cost(run.cost_usd)}</td>
              <td className={number}>
                <Ago time={run.start_time} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function tokensOf(run: Run): number | null {
  if (run.prompt_tokens === null && run.completion_tokens === null) return null;
  return (run.prompt_tokens ?? 0) + (run.completion_tokens ?? 0);
}

/** Asks for the next page when its end comes into view; a button does the same for those who do not scroll. */
function MorePages({ isMore, isComing, fetch }: { isMore: boolean; isComing: boolean; fetch: () => void }) {
  const end = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const element = end.current;
    if (element === null || isComing) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) fetch();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, [isMore, isComing, fetch]);
  if (!isMore) return null;
  return (
    <button ref={end} type="button" className={styles.more} onClick={fetch} disabled={isComing}>
      {isComing ? "Loading …" : "More runs"}
    </button>
  );
}
