import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useMemo, useRef } from "react";

import { duration } from "../format/numbers";
import { MINUTE_MS, useMinute } from "../time/minute";
import { Notice } from "../ui/Notice";
import { Status } from "../ui/Status";
import styles from "./Waterfall.module.css";
import { type Node, type Span, bar, extent } from "./waterfall";

const ROW_PX = 28;
const TALLEST_PX = 480;

interface Props {
  nodes: readonly Node[];
  selected: number;
  select: (index: number) => void;
}

/** The steps of a run as bars over its time. Only the rows in view are drawn, so that 50,000 steps scroll as ten do. */
export function Waterfall({ nodes, selected, select }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const nowMs = (useMinute() + 1) * MINUTE_MS;
  const whole = useMemo(() => extent(nodes, nowMs), [nodes, nowMs]);
  // eslint-disable-next-line react-hooks/incompatible-library -- it is not passed on to memoized components
  const rows = useVirtualizer({
    count: nodes.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  useEffect(() => {
    if (selected < nodes.length) rows.scrollToIndex(selected);
  }, [rows, selected, nodes.length]);
  if (nodes.length === 0) return <Notice title="The steps of this run are no longer stored" />;

  function move(event: KeyboardEvent) {
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 };
    const by = steps[event.key];
    if (by === undefined) return;
    event.preventDefault();
    select(Math.min(Math.max(selected + by, 0), nodes.length - 1));
  }

  return (
    <div
      ref={scroller}
      className={styles.scroller}
      style={{ height: Math.min(nodes.length * ROW_PX, TALLEST_PX) }}
      role="listbox"
      aria-label="Steps"
      aria-activedescendant={`step-${selected}`}
      tabIndex={0}
      onKeyDown={move}
    >
      <div className={styles.rows} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const node = nodes[index];
          return (
            node !== undefined && (
              <Row
                key={node.span_id}
                node={node}
                whole={whole}
                nowMs={nowMs}
                topPx={start}
                isSelected={index === selected}
                select={() => {
                  select(index);
                }}
              />
            )
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  node: Node;
  whole: Span;
  nowMs: number;
  topPx: number;
  isSelected: boolean;
  select: () => void;
}

function Row({ node, whole, nowMs, topPx, isSelected, select }: RowProps) {
  const { left, width } = bar(node, whole, nowMs);
  return (
    <div
      id={`step-${node.step_index}`}
      role="option"
      aria-selected={isSelected}
      className={styles.row}
      style={{ transform: `translateY(${topPx}px)`, height: ROW_PX }}
      onClick={select}
    >
      <span className={styles.name} style={{ paddingInlineStart: Math.min(node.depth, 20) * 14 }}>
        {node.step_name}
        {node.attempt > 1 && <em> attempt {node.attempt}</em>}
      </span>
      <span className={styles.status}>
        <Status status={node.status} />
      </span>
      <span className={styles.length}>{duration(node.duration_ms)}</span>
      <span className={styles.track}>
        <span
          className={styles.bar}
          data-status={node.status}
          data-critical={node.critical_path}
          title={node.critical_path ? "on the critical path" : undefined}
          style={{ left: `${left * 100}%`, width: `max(${width * 100}%, 2px)` }}
        />
      </span>
    </div>
  );
}
