import { useQuery } from "@tanstack/react-query";

import type { Schemas } from "../api/client";
import { type Scope, suggestionsQuery } from "../api/queries";
import { cost, count, duration, percent } from "../format/numbers";
import { Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import { Waiting } from "../ui/Waiting";
import styles from "./Suggestions.module.css";

type Suggestion = Schemas["Suggestion"];

/** What to change about an agent, and why. */
export function Suggestions({ agentId, scope }: { agentId: string; scope: Scope }) {
  const { data, error } = useQuery(suggestionsQuery(agentId, scope));
  return (
    <Panel title="Suggestions" note="only what the runs of this time prove">
      {error !== null && <Notice kind="error" title="The suggestions could not be loaded" />}
      {error === null && data === undefined && <Waiting what="the suggestions" />}
      {data?.items.length === 0 && <Notice title="Nothing stands out">No pattern in these runs is worth a change.</Notice>}
      <ul className={styles.list}>{data?.items.map((suggestion) => <Item key={suggestion.id} suggestion={suggestion} />)}</ul>
    </Panel>
  );
}

function Item({ suggestion }: { suggestion: Suggestion }) {
  const { impact } = suggestion;
  return (
    <li className={styles.item} data-severity={suggestion.severity}>
      <h3>{suggestion.title}</h3>
      <p>{suggestion.detail}</p>
      <p className={styles.impact}>
        {suggestion.severity} · confidence {percent(suggestion.confidence)} · {count(impact.executions_affected)} runs
        {impact.duration_ms_per_execution > 0 && ` · ${duration(impact.duration_ms_per_execution)} per run`}
        {impact.cost_usd_per_day > 0 && ` · ${cost(impact.cost_usd_per_day)} per day`}
        {impact.failures_per_day > 0 && ` · ${impact.failures_per_day.toFixed(1)} failures per day`}
      </p>
    </li>
  );
}
