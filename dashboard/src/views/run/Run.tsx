import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Tabs } from "radix-ui";
import { Suspense, lazy, useDeferredValue, useMemo, useRef, useState } from "react";

import { ApiError, type Schemas } from "../../api/client";
import { useRunEvents } from "../../api/runEvents";
import { runQuery, timelineQuery } from "../../api/runQueries";
import { RUN_TABS, type RunSearch, type RunTab, readRun } from "../../search";
import { Failure, Notice } from "../../ui/Notice";
import { Waiting } from "../../ui/Waiting";
import page from "../Page.module.css";
import { Checkpoints, Data, Siblings } from "./Beside";
import { Failed } from "./Failed";
import { Header } from "./Header";
import { Help } from "./Help";
import styles from "./Run.module.css";
import { StepPanel } from "./StepPanel";
import { TimeSpent } from "./TimeSpent";
import { Waterfall } from "./Waterfall";
import { useKeys } from "./keys";
import { useNow } from "./now";
import { type Step, firstShown, isOpen, isWrong, matching, stepsOf, unfolded } from "./steps";

const Transcript = lazy(async () => ({ default: (await import("./Transcript")).Transcript }));
const GraphView = lazy(async () => ({ default: (await import("./GraphView")).GraphView }));

const route = getRouteApi("/executions/$executionId");
type Run = Schemas["Execution"];

const TITLES: Readonly<Record<RunTab, string>> = {
  steps: "Steps",
  transcript: "Transcript",
  graph: "Graph",
  data: "Input and output",
  checkpoints: "Checkpoints",
};

/** One run: what went wrong, what was said, where the time went, and what each step carried. */
export function Run() {
  const { executionId } = route.useParams();
  const run = useQuery(runQuery(executionId));
  const timeline = useQuery(timelineQuery(executionId));
  useRunEvents(executionId, run.data?.agent_id);
  const error = run.error ?? timeline.error;
  if (error !== null && (run.data === undefined || timeline.data === undefined)) {
    if (error instanceof ApiError && error.status === 404) {
      return <Notice title="There is no such run">It may have been deleted, or its spans have not come yet.</Notice>;
    }
    return <Failure error={error} retry={() => void Promise.all([run.refetch(), timeline.refetch()])} />;
  }
  if (run.data === undefined || timeline.data === undefined) return <Waiting what="the run" />;
  return <Shown key={executionId} run={run.data} timeline={timeline.data} />;
}

function Shown({ run, timeline }: { run: Run; timeline: Schemas["Timeline"] }) {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/executions/$executionId" });
  const steps = useMemo(() => stepsOf(timeline), [timeline]);
  const nowMs = useNow(isOpen(run), timeline.start_time);
  const first = useMemo(() => firstShown(steps, run.error_step_name), [steps, run.error_step_name]);
  const selected = steps.find(({ index }) => index === search.step) ?? first;
  const view = useVisible(steps, search);
  const walkRef = useRef<readonly number[]>([]);
  const [isHelpOpen, setHelpOpen] = useState(false);
  const tab = search.tab ?? "steps";

  const look: Look = (changes) => {
    void navigate({ search: (before) => readRun({ ...before, ...changes }), replace: true });
  };
  const select = (index: number) => {
    look({ step: index });
  };
  useKeys({
    walk: walkRef,
    selected: selected?.index,
    select,
    fold: (isFolded) => {
      if (selected !== undefined) view.fold(selected.at, isFolded);
    },
    nextWrong: () => {
      const wrong = steps.filter(isWrong);
      const next = wrong.find(({ at }) => at > (selected?.at ?? -1)) ?? wrong[0];
      if (next !== undefined) select(next.index);
    },
    showTab: (place) => {
      const name = RUN_TABS[place];
      if (name !== undefined) look({ tab: name });
    },
    help: () => {
      setHelpOpen((isShown) => !isShown);
    },
  });

  return (
    <div className={page["page"]}>
      <Header run={run} nowMs={nowMs} help={() => { setHelpOpen(true); }} />
      {run.error_type !== null && <Failed run={run} select={select} />}
      <TimeSpent steps={steps} nowMs={nowMs} find={(name) => { look({ find: name, tab: "steps" }); }} />
      <Tabs.Root
        className={styles.tabs}
        value={tab}
        onValueChange={(value) => {
          const chosen = RUN_TABS.find((name) => name === value);
          if (chosen !== undefined) look({ tab: chosen });
        }}
      >
        <Tabs.List className={styles.tabList} aria-label="Ways to look at the run">
          {RUN_TABS.filter((name) => name !== "checkpoints" || run.checkpoints.length > 0).map((name) => (
            <Tabs.Trigger key={name} value={name} className={styles.tab}>
              {TITLES[name]}
              {name === "checkpoints" && ` (${run.checkpoints.length})`}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        <div className={styles.split} data-wide={tab === "data" || tab === "checkpoints"}>
          <Tabs.Content value={tab} className={styles.main} tabIndex={-1}>
            <Suspense fallback={<Waiting what={TITLES[tab]} />}>
              {tab === "steps" && (
                <Waterfall view={view} steps={steps} selected={selected} select={select} nowMs={nowMs} walkRef={walkRef} look={look} />
              )}
              {tab === "transcript" && <Transcript run={run} selected={selected} select={select} walkRef={walkRef} />}
              {tab === "graph" && <GraphView steps={steps} selected={selected} select={select} walkRef={walkRef} />}
              {tab === "data" && <Data run={run} />}
              {tab === "checkpoints" && <Checkpoints run={run} />}
            </Suspense>
          </Tabs.Content>
          {tab !== "data" && tab !== "checkpoints" && selected !== undefined && (
            <StepPanel executionId={run.execution_id} step={selected} />
          )}
        </div>
      </Tabs.Root>
      {run.siblings.length > 0 && <Siblings run={run} />}
      <Help isOpen={isHelpOpen} close={() => { setHelpOpen(false); }} />
    </div>
  );
}

/** Changes what the address keeps; `undefined` takes something out of it. */
export type Look = (changes: { [Name in keyof RunSearch]: RunSearch[Name] | undefined }) => void;

export interface View {
  visible: readonly Step[];
  found: ReadonlySet<number>;
  folded: ReadonlySet<number>;
  fold: (at: number, isFolded: boolean) => void;
  text: string;
  only: "all" | "wrong" | "critical";
}

/** The steps that are listed: those that are looked for, without those below folded ones. */
function useVisible(steps: readonly Step[], search: RunSearch): View {
  const text = search.find ?? "";
  const only = search.only ?? "all";
  const wanted = useDeferredValue(text);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const { shown, found } = useMemo(() => matching(steps, { text: wanted, only }), [steps, wanted, only]);
  const visible = useMemo(() => unfolded(shown, folded), [shown, folded]);
  return {
    visible,
    found,
    folded,
    text,
    only,
    fold: (at, isFolded) => {
      const next = new Set(folded);
      if (isFolded) next.add(at);
      else next.delete(at);
      setFolded(next);
    },
  };
}
