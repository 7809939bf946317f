import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { client, dataOf, type Schemas } from "../api/client";
import { type Scope, scopeQuery, suggestionsQuery } from "../api/queries";
import { cost, count, duration, percent } from "../format/numbers";
import { Json } from "../ui/Json";
import { Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import { Waiting } from "../ui/Waiting";
import styles from "./Suggestions.module.css";

type Suggestion = Schemas["Suggestion"];
type State = Suggestion["state"];

/** What to change about an agent, and why. */
export function Suggestions({ agentId, scope }: { agentId: string; scope: Scope }) {
  const { data, error } = useQuery(suggestionsQuery(agentId, scope));
  return (
    <Panel title="Suggestions" note="only what the runs of this time prove">
      {error !== null && <Notice kind="error" title="The suggestions could not be loaded" />}
      {error === null && data === undefined && <Waiting what="the suggestions" />}
      {data?.items.length === 0 && <Notice title="Nothing stands out">No pattern in these runs is worth a change.</Notice>}
      <ul className={styles.list}>
        {data?.items.map((suggestion) => (
          <Item key={suggestion.id} agentId={agentId} scope={scope} suggestion={suggestion} />
        ))}
      </ul>
    </Panel>
  );
}

interface ItemProps {
  agentId: string;
  scope: Scope;
  suggestion: Suggestion;
}

function Item({ agentId, scope, suggestion }: ItemProps) {
  const { impact, evidence } = suggestion;
  const [example] = suggestion.example_execution_ids;
  return (
    <li className={styles.item} data-severity={suggestion.severity}>
      <h3>{suggestion.title}</h3>
      <p>{suggestion.detail}</p>
      <p className={styles.impact}>
        {suggestion.severity} · confidence {percent(suggestion.confidence)} · {count(impact.executions_affected)} runs
        {impact.duration_ms_per_execution > 0 && ` · ${duration(impact.duration_ms_per_execution)} per run`}
        {impact.cost_usd_per_day > 0 && ` · ${cost(impact.cost_usd_per_day)} per day`}
        {impact.failures_per_day > 0 && ` · ${impact.failures_per_day.toFixed(1)} failures per day`}
        {!suggestion.is_current && " · these runs no longer show it"}
      </p>
      <div className={styles.more}>
        <details>
          <summary>Evidence</summary>
          <Json label="Evidence" value={evidence} />
        </details>
        {example !== undefined && (
          <Link to="/executions/$executionId" params={{ executionId: example }} search={{}}>
            A run to look at
          </Link>
        )}
        <Decision agentId={agentId} scope={scope} suggestion={suggestion} />
      </div>
      {suggestion.effect !== null && <Effect effect={suggestion.effect} />}
    </li>
  );
}

const STATES: readonly { state: State; label: string }[] = [
  { state: "open", label: "Open" },
  { state: "accepted", label: "Accepted" },
  { state: "done", label: "Done" },
  { state: "dismissed", label: "Dismissed" },
];

/** Where the suggestion stands; what is dismissed is told no more. */
function Decision({ agentId, scope, suggestion }: ItemProps) {
  const cache = useQueryClient();
  const deciding = useMutation({
    mutationFn: async (state: State) => {
      const params = { path: { agent_id: agentId, suggestion_id: suggestion.id }, query: scopeQuery(scope) };
      const body = { state, note: suggestion.note };
      return dataOf(await client.PATCH("/api/v1/agents/{agent_id}/suggestions/{suggestion_id}", { params, body }));
    },
    onSuccess: () => cache.invalidateQueries({ queryKey: ["suggestions", agentId] }),
  });
  return (
    <label className={styles.decision}>
      <span className="visually-hidden">Where “{suggestion.title}” stands</span>
      <select
        value={suggestion.state}
        disabled={deciding.isPending}
        onChange={(event) => {
          const chosen = STATES.find(({ state }) => state === event.target.value);
          if (chosen !== undefined) deciding.mutate(chosen.state);
        }}
      >
        {STATES.map(({ state, label }) => (
          <option key={state} value={state}>
            {label}
          </option>
        ))}
      </select>
      {deciding.error !== null && <span role="alert"> {deciding.error.message}</span>}
    </label>
  );
}

function Effect({ effect: { before, after, failure_rate_fell_p_value: p } }: { effect: NonNullable<Suggestion["effect"]> }) {
  return (
    <p className={styles.impact}>
      Since it was done: failures {percent(before.failure_rate)} → {percent(after.failure_rate)} (p = {p.toPrecision(2)}), median{" "}
      {duration(before.median_duration_ms)} → {duration(after.median_duration_ms)}, cost {cost(before.mean_cost_usd)} →{" "}
      {cost(after.mean_cost_usd)} per run, over {count(after.executions)} runs.
    </p>
  );
}
