import { useInfiniteQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useMemo, useRef, useState } from "react";

import type { Schemas } from "../../api/client";
import { transcriptQuery } from "../../api/runQueries";
import { count, duration } from "../../format/numbers";
import { Json, Text } from "../../ui/Json";
import { Failure, Notice } from "../../ui/Notice";
import { Status } from "../../ui/Status";
import { Waiting } from "../../ui/Waiting";
import { KindTile } from "./KindTile";
import styles from "./Transcript.module.css";
import { type Step, kindOf } from "./steps";

type Turn = Schemas["TranscriptTurn"];
type Block = Schemas["TranscriptBlock"];
type Run = Schemas["Execution"];

/** Longer runs are told from a little before the step that is looked at. */
const FROM_THE_START = 120;
const BEFORE = 40;

interface Props {
  run: Run;
  selected: Step | undefined;
  select: (index: number) => void;
  walkRef: RefObject<readonly number[]>;
}

/** The run as a conversation: what was said, which tools were called, what they gave, what went wrong. */
export function Transcript({ run, selected, select, walkRef }: Props) {
  const [first, setFirst] = useState(() => startOf(selected?.index ?? 0));
  const { data, error, refetch, isPending, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    transcriptQuery(run.execution_id, first),
  );
  const turns = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  useEffect(() => {
    walkRef.current = turns.map(({ step_index }) => step_index);
  }, [walkRef, turns]);
  // Of a run with many steps that say nothing a page may be empty.
  useEffect(() => {
    if (turns.length === 0 && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [turns.length, hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (error !== null && data === undefined) return <Failure error={error} retry={() => void refetch()} />;
  if (isPending) return <Waiting what="the transcript" />;
  return (
    <section className={styles.transcript} aria-label="Transcript">
      {first > 0 && (
        <button
          type="button"
          className={styles.more}
          onClick={() => {
            setFirst(0);
          }}
        >
          From the start
        </button>
      )}
      {turns.length === 0 && !hasNextPage && (
        <Notice title="Nothing was said in this run">
          {run.payload_expired
            ? "The time for which inputs and outputs are kept is over."
            : "Its steps are listed under Steps. Whether prompts and answers are recorded is a setting of the instrumentation."}
        </Notice>
      )}
      <ol className={styles.turns}>
        {turns.map((turn) => (
          <TurnItem key={turn.step_index} turn={turn} isSelected={turn.step_index === selected?.index} select={select} />
        ))}
      </ol>
      {hasNextPage && <Next fetch={() => void fetchNextPage()} isComing={isFetchingNextPage} />}
    </section>
  );
}

function startOf(index: number): number {
  return index < FROM_THE_START ? 0 : index - BEFORE;
}

/** Asks for more when its end comes into view; a button does the same. */
function Next({ fetch, isComing }: { fetch: () => void; isComing: boolean }) {
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
  }, [fetch, isComing]);
  return (
    <button ref={end} type="button" className={styles.more} onClick={fetch} disabled={isComing}>
      {isComing ? "Loading …" : "More"}
    </button>
  );
}

function TurnItem({ turn, isSelected, select }: { turn: Turn; isSelected: boolean; select: (index: number) => void }) {
  const item = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isSelected) item.current?.scrollIntoView({ block: "nearest" });
  }, [isSelected]);
  return (
    <li
      ref={item}
      className={styles.turn}
      data-kind={turn.kind}
      data-selected={isSelected}
      data-silent={turn.blocks.length === 0}
      style={{ marginInlineStart: Math.min(turn.depth, 6) * 10 }}
    >
      <button
        type="button"
        className={styles.head}
        aria-current={isSelected}
        onClick={() => {
          select(turn.step_index);
        }}
      >
        <KindTile kind={kindOf(turn)} />
        <span className={styles.name}>{turn.step_name}</span>
        {turn.model !== null && <span className={styles.note}>{turn.model}</span>}
        {turn.attempt > 1 && <span className={styles.attempt}>attempt {turn.attempt}</span>}
        {turn.status !== "success" && <Status status={turn.status} />}
        <span className={styles.figures}>
          {turn.tokens !== null && `${count(turn.tokens)} tokens · `}
          {duration(turn.duration_ms)}
        </span>
      </button>
      {turn.blocks.map((block, place) => (
        <BlockItem key={place} block={block} isTool={turn.kind === "tool"} />
      ))}
      {turn.error_message !== null && turn.kind !== "agent" && (
        <p className={styles.error}>
          {turn.error_type !== null && <strong>{turn.error_type}: </strong>}
          {turn.error_message}
        </p>
      )}
    </li>
  );
}

const TITLES: Readonly<Record<Block["kind"], string>> = {
  message: "",
  reasoning: "Reasoning",
  tool_call: "Calls",
  tool_result: "Result",
  input: "Input",
  output: "Output",
};

function BlockItem({ block, isTool }: { block: Block; isTool: boolean }) {
  const title = block.kind === "message" ? block.role : isTool && block.kind === "tool_call" ? "Arguments" : TITLES[block.kind];
  return (
    <div className={styles.block} data-kind={block.kind} data-role={block.role}>
      <span className={styles.role}>{title}</span>
      <div className={styles.said}>
        {block.kind === "tool_call" && !isTool && <strong className={styles.tool}>{block.name}</strong>}
        <Said block={block} />
        {block.is_cut && <p className={styles.note}>The step has all of it.</p>}
      </div>
    </div>
  );
}

const SHORT = 160;
const CLAMPED = 900;

/** Text as it was said; short JSON on one line, other JSON as a tree. */
function Said({ block }: { block: Block }) {
  const [isWhole, setWhole] = useState(false);
  if (block.text === null) {
    const line = lineOf(block.value);
    return line.length <= SHORT ? <code className={styles.line}>{line}</code> : <Json value={block.value} label={TITLES[block.kind]} />;
  }
  const isLong = block.text.length > CLAMPED;
  return (
    <>
      <div className={styles.text} data-clamped={isLong && !isWhole}>
        <Text text={block.text} />
      </div>
      {isLong && (
        <button
          type="button"
          className={styles.less}
          aria-expanded={isWhole}
          onClick={() => {
            setWhole(!isWhole);
          }}
        >
          {isWhole ? "Show less" : "Show all"}
        </button>
      )}
    </>
  );
}

/** `city: "Graz", days: 3` for an object of plain values, JSON for everything else. */
function lineOf(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  return Object.entries(value)
    .map(([key, inner]) => `${key}: ${JSON.stringify(inner)}`)
    .join(", ");
}
