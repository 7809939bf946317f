import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useMemo, useRef } from "react";

import { count, duration } from "../../format/numbers";
import { Notice } from "../../ui/Notice";
import { MARKS } from "../../ui/Status";
import { KindTile } from "./KindTile";
import type { Look, View } from "./Run";
import styles from "./Waterfall.module.css";
import { FIND_ID } from "./keys";
import { type Extent, type Step, extentOf, isWrong, kindOf, stopOf } from "./steps";
import { ticksOf } from "./ticks";

const ROW_PX = 26;
const DEEPEST = 14;

interface Props {
  view: View;
  steps: readonly Step[];
  selected: Step | undefined;
  select: (index: number) => void;
  nowMs: number;
  walkRef: RefObject<readonly number[]>;
  look: Look;
}

/** The steps of a run as bars over its time. Only the rows in view are drawn, so that 50,000 steps scroll as ten do. */
export function Waterfall({ view, steps, selected, select, nowMs, walkRef, look }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const whole = useMemo(() => extentOf(steps, nowMs), [steps, nowMs]);
  const { visible } = view;
  const at = useMemo(() => visible.findIndex((step) => step === selected), [visible, selected]);
  useEffect(() => {
    walkRef.current = visible.map(({ index }) => index);
  }, [walkRef, visible]);
  // eslint-disable-next-line react-hooks/incompatible-library -- it is not passed on to memoized components
  const rows = useVirtualizer({
    count: visible.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const chosen = selected?.index;
  useEffect(() => {
    if (at >= 0) rows.scrollToIndex(at);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- where somebody has scrolled to stays, until they choose
  }, [rows, chosen]);
  if (steps.length === 0) return <Notice title="The steps of this run are no longer stored" />;

  return (
    <section className={styles.waterfall} aria-label="Waterfall">
      <Finder view={view} steps={steps} look={look} />
      <Ruler whole={whole} />
      <div
        ref={scroller}
        className={styles.scroller}
        style={{ height: visible.length * ROW_PX + 2 }}
        role="listbox"
        aria-label="Steps"
        aria-activedescendant={at >= 0 ? `step-${chosen ?? ""}` : undefined}
        tabIndex={0}
      >
        <div className={styles.rows} style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const step = visible[index];
            return (
              step !== undefined && (
                <Row
                  key={step.index}
                  step={step}
                  place={[index + 1, visible.length]}
                  view={view}
                  bar={barOf(step, whole, nowMs)}
                  topPx={start}
                  isSelected={step === selected}
                  select={select}
                />
              )
            );
          })}
        </div>
      </div>
      {visible.length === 0 && <Notice title="No step is like this" />}
    </section>
  );
}

function Finder({ view, steps, look }: { view: View; steps: readonly Step[]; look: Look }) {
  const wrong = useMemo(() => steps.filter(isWrong).length, [steps]);
  const choices: readonly { only: "wrong" | "critical" | undefined; label: string }[] = [
    { only: undefined, label: `All ${count(steps.length)}` },
    { only: "wrong", label: `Failed ${count(wrong)}` },
    { only: "critical", label: "Critical path" },
  ];
  return (
    <div className={styles.finder}>
      <label>
        <span className="visually-hidden">Search the steps</span>
        <input
          id={FIND_ID}
          type="search"
          placeholder="Search steps  /"
          value={view.text}
          onChange={(event) => {
            look({ find: event.target.value });
          }}
        />
      </label>
      <div className={styles.choices} role="group" aria-label="Show">
        {choices.map(({ only, label }) => (
          <button
            key={label}
            type="button"
            aria-pressed={view.only === (only ?? "all")}
            onClick={() => {
              look({ only });
            }}
          >
            {label}
          </button>
        ))}
      </div>
      <span className={styles.legend} aria-hidden="true">
        <i data-critical="true" /> critical path <i /> beside it
      </span>
    </div>
  );
}

function Ruler({ whole }: { whole: Extent }) {
  const lengthMs = whole.stopMs - whole.startMs;
  return (
    <div className={styles.ruler} aria-hidden="true">
      <span className={styles.ticks}>
        {ticksOf(lengthMs).map((ms) => (
          <span key={ms} style={{ left: `${(ms / lengthMs) * 100}%` }}>
            {ms === 0 ? "0" : duration(ms)}
          </span>
        ))}
      </span>
    </div>
  );
}

/** Left edge and width of a step's bar, as fractions of the whole. */
function barOf(step: Step, whole: Extent, nowMs: number): { left: number; width: number } {
  const lengthMs = whole.stopMs - whole.startMs;
  return {
    left: (step.startMs - whole.startMs) / lengthMs,
    width: Math.max((stopOf(step, nowMs) - step.startMs) / lengthMs, 0),
  };
}

interface RowProps {
  step: Step;
  place: readonly [number, number];
  view: View;
  bar: { left: number; width: number };
  topPx: number;
  isSelected: boolean;
  select: (index: number) => void;
}

function Row({ step, place, view, bar, topPx, isSelected, select }: RowProps) {
  const hasBelow = step.end > step.at + 1;
  const isFolded = view.folded.has(step.at);
  const isFound = view.found.has(step.at);
  return (
    <div
      id={`step-${step.index}`}
      role="option"
      aria-selected={isSelected}
      aria-posinset={place[0]}
      aria-setsize={place[1]}
      className={styles.row}
      data-beside={view.found.size > 0 && !isFound}
      style={{ transform: `translateY(${topPx}px)`, height: ROW_PX }}
      onClick={() => {
        select(step.index);
      }}
    >
      <span className={styles.name} style={{ paddingInlineStart: Math.min(step.depth, DEEPEST) * 14 }}>
        <span
          className={styles.fold}
          aria-hidden="true"
          onClick={(event) => {
            if (!hasBelow) return;
            event.stopPropagation();
            view.fold(step.at, !isFolded);
          }}
        >
          {hasBelow ? (isFolded ? "▸" : "▾") : ""}
        </span>
        <KindTile kind={kindOf(step)} />
        <span className={styles.text}>{step.name}</span>
        {step.model !== null && <span className={styles.detail}>{step.model}</span>}
        {step.attempt > 1 && <em className={styles.attempt}>attempt {step.attempt}</em>}
        {step.status !== "success" && (
          <span className={styles.status} data-status={step.status}>
            <span aria-hidden="true">{MARKS[step.status]}</span> {step.error ?? step.status}
          </span>
        )}
      </span>
      <span className={styles.length}>{duration(step.durationMs)}</span>
      <span className={styles.track}>
        <span
          className={styles.bar}
          data-kind={kindOf(step)}
          data-status={step.status}
          data-critical={step.isCritical}
          title={step.isCritical ? "on the critical path" : undefined}
          style={{ left: `${bar.left * 100}%`, width: `max(${bar.width * 100}%, 2px)` }}
        />
      </span>
    </div>
  );
}
