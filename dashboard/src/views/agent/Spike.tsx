import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { type Comparison, comparisonQuery } from "../../api/comparison";
import { failuresQuery } from "../../api/failures";
import type { Scope } from "../../api/queries";
import { count, percent } from "../../format/numbers";
import { labelOf, rangeOf } from "../../time/window";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Waiting } from "../../ui/Waiting";
import { type Difference, meaningOf, signed, verdictOf } from "../compare/figures";
import { SetsApart } from "./Failures";
import styles from "./Spike.module.css";
import { sidesOfSpike } from "./stretch";

interface Props {
  agentId: string;
  scope: Scope;
  startMs: number;
  stopMs: number;
  close: () => void;
}

const MOST = 5;

/** What sets the runs of a stretch apart from those around it: figures, steps, paths, and the traits of its failures. */
export function Spike({ agentId, scope, startMs, stopMs, close }: Props) {
  const range = rangeOf(startMs, stopMs);
  const [a, b] = sidesOfSpike(scope.window, startMs, stopMs);
  const compared = useQuery(comparisonQuery(agentId, a, b, scope));
  const window = { from: new Date(startMs).toISOString(), to: new Date(stopMs).toISOString() };
  const failures = useQuery(failuresQuery(agentId, { ...scope, window }, MOST));
  const error = compared.error ?? failures.error;
  const data = compared.data;
  return (
    <Panel
      title={labelOf(range)}
      note="what sets these runs apart from those around them"
      tools={
        <button type="button" className={styles.close} onClick={close}>
          Close
        </button>
      }
    >
      <p className={styles.links}>
        <Link to="." search={({ spike: _left, ...search }) => ({ ...search, range })}>
          Look at this time alone
        </Link>
        <Link to="/executions" search={{ range, agent: [agentId] }}>
          Its runs
        </Link>
        <Link to="/agents/$agentId/compare" params={{ agentId }} search={(search) => ({ ...search, a, b })}>
          The whole comparison
        </Link>
      </p>
      {error !== null && <Notice kind="error" title="This time could not be compared">{error.message}</Notice>}
      {error === null && (data === undefined || failures.data === undefined) && <Waiting what="the comparison" />}
      {error === null && data !== undefined && (
        <ul className={styles.found} aria-label="What differs">
          {findings(data).map((finding) => (
            <li key={finding}>{finding}</li>
          ))}
        </ul>
      )}
      {failures.data?.items
        .filter((cluster) => cluster.sets_apart.length > 0)
        .map((cluster) => (
          <div key={cluster.cluster_id} className={styles.cluster}>
            <strong>{cluster.error_type ?? "Failures"}</strong>, {count(cluster.count)} runs
            <SetsApart contrasts={cluster.sets_apart} />
          </div>
        ))}
    </Panel>
  );
}

/** Sentences, the surest first. */
function findings({ a, b, figures, steps, paths }: Comparison): string[] {
  const told = [
    ...figures.filter(isClear).map((figure) => `${meaningOf(figure.name).label} ${sidesOf(figure)}`),
    ...steps.flatMap((step) => step.figures.filter(isClear).map((figure) => `${step.step_name}: ${meaningOf(figure.name).label.toLowerCase()} ${sidesOf(figure)}`)),
    ...paths.filter(isClear).map((path) => `${percent(path.b)} instead of ${percent(path.a)} of the runs took ${path.execution_path}`),
  ];
  const runs = `${count(b.executions)} runs, against ${count(a.executions)} of the time around them`;
  return told.length > 0 ? [runs, ...told] : [runs, "Nothing differs beyond chance, or there are fewer than 30 runs on a side."];
}

function isClear(difference: Difference): boolean {
  return ["better", "worse", "differs"].includes(verdictOf(difference));
}

function sidesOf(figure: Difference): string {
  const { format } = meaningOf(figure.name);
  return `${format(figure.b)} instead of ${format(figure.a)} (${signed(figure, figure.difference)})`;
}
