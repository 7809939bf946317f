import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { runQueryOf, runsQuery } from "../../api/runs";
import { count } from "../../format/numbers";
import { type RunsSearch, SORTS, readRuns } from "../../search";
import { Failure, Notice } from "../../ui/Notice";
import { Table } from "../../ui/Table";
import { Waiting } from "../../ui/Waiting";
import { useScope } from "../../ui/scope";
import { Chips } from "./Chips";
import { Columns } from "./Columns";
import { Export } from "./Export";
import { Filters } from "./Filters";
import styles from "./Runs.module.css";
import { COLUMNS, USUAL } from "./runColumns";

const route = getRouteApi("/executions");

/** What of the URL is to change; what becomes `undefined` leaves it. */
export type Change = (changed: { [Name in keyof RunsSearch]?: RunsSearch[Name] | undefined }) => void;

/** All runs of the time: filters, search in what was said, columns, order, and pages that come by themselves. */
export function Runs() {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/executions" });
  const scope = useScope();
  const query = runQueryOf(scope, search);
  const runs = useInfiniteQuery(runsQuery(query));
  const first = runs.data?.pages[0];
  const change: Change = (changed) => {
    void navigate({ search: (before) => readRuns({ ...before, ...changed }) });
  };
  return (
    <div className={styles.page}>
      <div className={styles.head}>
        <h1>Runs</h1>
        <Columns shown={search.columns ?? USUAL} change={change} />
        <Export query={query} />
      </div>
      <Filters search={search} scope={scope} change={change} />
      <Chips search={search} change={change} />
      {runs.error !== null && <Failure error={runs.error} retry={() => void runs.refetch()} />}
      {runs.error === null && first === undefined && <Waiting what="the runs" />}
      {runs.error === null && first !== undefined && (
        <>
          <p className={styles.total} role="status">
            {first.total === null ? `over ${count(first.total_at_least)}` : count(first.total)} runs
            {!first.search_complete && "; the newest are still being read for the search"}
          </p>
          {first.items.length === 0 ? (
            <Notice title="No run matches">Widen the time or take filters away.</Notice>
          ) : (
            <RunTable search={search} change={change} runs={runs.data?.pages.flatMap((page) => page.items) ?? []} />
          )}
          <MorePages isMore={runs.hasNextPage} isComing={runs.isFetchingNextPage} fetch={() => void runs.fetchNextPage()} />
        </>
      )}
    </div>
  );
}

interface TableProps {
  search: RunsSearch;
  change: Change;
  runs: Parameters<(typeof COLUMNS)[number]["show"]>[0][];
}

function RunTable({ search, change, runs }: TableProps) {
  const { sort = "-start_time", columns: chosen = USUAL } = search;
  const id = sort.replace("-", "");
  const isDescending = sort.startsWith("-");
  const by = (clicked: string) => {
    const wanted = clicked === id && isDescending ? clicked : `-${clicked}`;
    change({ sort: SORTS.find((order) => order === wanted) });
  };
  const columns = COLUMNS.filter((column) => chosen.includes(column.id));
  return <Table label="Runs" columns={columns} rows={runs} keyOf={(run) => run.execution_id} sorting={{ id, isDescending, by }} />;
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
