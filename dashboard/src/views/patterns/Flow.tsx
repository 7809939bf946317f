import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { cost, count, duration, percent } from "../../format/numbers";
import { onlyCommon } from "../../search";
import styles from "./Flow.module.css";
import { type Box, MOST_LINES, WIDTH, layOut } from "./layout";
import { type ExecutionPath, treeOf } from "./paths";

/** Paths as a flow from left to right: what runs have in common, where they part, and how each way ends. */
export function Flow({ agentId, paths }: { agentId: string; paths: readonly ExecutionPath[] }) {
  const flow = useMemo(() => layOut(treeOf(paths)), [paths]);
  const runs = paths.reduce((sum, path) => sum + path.frequency, 0);
  return (
    <div className={styles.scroller} role="group" aria-label="Flow of the paths" tabIndex={0}>
      <div className={styles.flow} style={{ width: flow.width, height: flow.height }}>
        <svg className={styles.bands} width={flow.width} height={flow.height} aria-hidden="true">
          {flow.bands.map((band) => (
            <path
              key={band.key}
              d={band.path}
              strokeWidth={band.width}
              style={{ stroke: `color-mix(in srgb, var(--good) ${Math.round(band.successRate * 100)}%, var(--bad))` }}
            />
          ))}
        </svg>
        {flow.boxes.map((box) => (
          <StretchBox key={box.key} box={box} agentId={agentId} runs={runs} />
        ))}
      </div>
    </div>
  );
}

function StretchBox({ box, agentId, runs }: { box: Box; agentId: string; runs: number }) {
  const { stretch } = box;
  const rate = stretch.successes / stretch.runs;
  const { path } = stretch;
  return (
    <div
      className={styles.box}
      data-ends={stretch.next.length === 0}
      style={{ left: box.x, top: box.y, width: WIDTH, height: box.height }}
    >
      <div className={styles.figures}>
        <strong>
          {path === null ? (
            `${count(stretch.runs)} runs`
          ) : (
            <Link to="/executions" search={(search) => ({ ...onlyCommon(search), agent: [agentId], path })}>
              {count(stretch.runs)} runs
            </Link>
          )}
        </strong>
        <span>{percent(stretch.runs / runs)}</span>
        <span className={styles.success} data-mood={rate < 0.5 ? "bad" : rate < 0.9 ? "mixed" : "good"}>
          {percent(rate)} ok
        </span>
        <span className={styles.per}>
          {duration(stretch.durationMs)} · {cost(stretch.costUsd)} per run
        </span>
      </div>
      <ol>
        {stretch.steps.length === 0 && <li className={styles.stop}>■ stopped here</li>}
        {shortened(stretch.steps).map((step, place) => (
          <li key={place} title={step}>
            {step}
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Beginning and end of a long stretch. */
function shortened(steps: readonly string[]): readonly string[] {
  if (steps.length <= MOST_LINES) return steps;
  const end = Math.floor((MOST_LINES - 1) / 2);
  const begin = MOST_LINES - 1 - end;
  return [...steps.slice(0, begin), `… ${steps.length - begin - end} more …`, ...steps.slice(-end)];
}
