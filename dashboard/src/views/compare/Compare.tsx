import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import { type Comparison, comparisonQuery, facetsQuery } from "../../api/comparison";
import { count } from "../../format/numbers";
import { Failure, Notice } from "../../ui/Notice";
import { Waiting } from "../../ui/Waiting";
import { useScope } from "../../ui/scope";
import page from "../Page.module.css";
import styles from "./Compare.module.css";
import { Divergence } from "./Divergence";
import { Picker } from "./Picker";
import { Figures, Paths, Steps } from "./Tables";
import { meaningOf, signed, verdictOf } from "./figures";
import { type Side, chosenOf, nameOf, partsOf, periodsOf } from "./sides";

const route = getRouteApi("/agents/$agentId/compare");

/** Two sides of an agent's runs: periods, versions, environments, models, or two single runs. */
export function Compare() {
  const { agentId } = route.useParams();
  const search = route.useSearch();
  const scope = useScope();
  const facets = useQuery(facetsQuery(agentId, scope)).data;
  const [before, now] = periodsOf(scope.window);
  const [a, b] = chosenOf([search.a ?? before, search.b ?? now], facets);
  const isChosen = ![a, b].some((side) => partsOf(side).value === "");
  const { data, error, refetch } = useQuery({ ...comparisonQuery(agentId, a, b, scope), enabled: isChosen });
  return (
    <div className={page["page"]}>
      <Picker a={a} b={b} scope={scope} facets={facets} />
      {!isChosen && <Notice title="Choose two sides">Their figures, steps and paths are set against each other here.</Notice>}
      {isChosen && error !== null && <Failure error={error} retry={() => void refetch()} />}
      {isChosen && error === null && data === undefined && <Waiting what="the comparison" />}
      {isChosen && error === null && data !== undefined && <Sides agentId={agentId} comparison={data} />}
    </div>
  );
}

function Sides({ agentId, comparison }: { agentId: string; comparison: Comparison }) {
  const { a, b } = comparison;
  const isOfRuns = a.kind === "execution";
  return (
    <>
      <div className={styles.sides}>
        <SideCard name="A" side={a} />
        <SideCard name="B" side={b} />
        <p className={styles.summary} role="status">
          {isOfRuns ? "Two single runs: nothing is tested." : summaryOf(comparison)}
        </p>
      </div>
      {isOfRuns && <Divergence divergence={comparison.divergence} a={a} b={b} />}
      <Figures figures={comparison.figures} />
      {comparison.steps.length > 0 && <Steps steps={comparison.steps} />}
      {comparison.paths.length > 0 && <Paths agentId={agentId} paths={comparison.paths} />}
    </>
  );
}

function SideCard({ name, side }: { name: string; side: Side }) {
  const { executions, is_exact: isExact, sampled } = side;
  return (
    <div className={styles.side}>
      <span className={styles.letter}>{name}</span>
      <strong>{nameOf(side)}</strong>
      {side.kind !== "execution" && <span className={styles.runs}>{count(executions)} runs</span>}
      {!isExact && <span className={styles.runs}>tokens, cost and steps from {count(sampled)} of them</span>}
    </div>
  );
}

/** What is surely different, in a sentence. */
function summaryOf({ figures }: Comparison): string {
  const told = (word: string) =>
    figures
      .filter((figure) => verdictOf(figure) === word)
      .map((figure) => `${meaningOf(figure.name).label.toLowerCase()} ${signed(figure, figure.difference)}`);
  const [worse, better, others] = [told("worse"), told("better"), told("differs")];
  const parts = [
    worse.length > 0 ? `B is worse in ${worse.join(", ")}.` : "",
    better.length > 0 ? `B is better in ${better.join(", ")}.` : "",
    others.length > 0 ? `B differs in ${others.join(", ")}.` : "",
  ].filter((part) => part !== "");
  if (parts.length > 0) return parts.join(" ");
  const isTold = figures.some((figure) => verdictOf(figure) === "even");
  return isTold ? "No figure of whole runs differs beyond chance." : "There are too few runs to tell the sides apart.";
}
