import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import type { Schemas } from "../api/client";
import { cost, count, duration, percent } from "../format/numbers";
import { Ago } from "../ui/Ago";
import table from "../ui/Table.module.css";

type AgentRow = Schemas["AgentSummary"];
type Key = "agent_id" | "executions" | "running" | "success_rate" | "p50_duration_ms" | "p95_duration_ms" | "cost_usd" | "tokens" | "last_seen";

const COLUMNS: readonly { key: Key; label: string; isNumber: boolean }[] = [
  { key: "agent_id", label: "Agent", isNumber: false },
  { key: "executions", label: "Runs", isNumber: true },
  { key: "running", label: "Running", isNumber: true },
  { key: "success_rate", label: "Success", isNumber: true },
  { key: "p50_duration_ms", label: "Median", isNumber: true },
  { key: "p95_duration_ms", label: "p95", isNumber: true },
  { key: "tokens", label: "Tokens", isNumber: true },
  { key: "cost_usd", label: "Cost", isNumber: true },
  { key: "last_seen", label: "Last seen", isNumber: true },
];

/** The agents with their figures; a click on a column's head sorts by it. */
export function AgentTable({ agents }: { agents: readonly AgentRow[] }) {
  const [sort, setSort] = useState<{ key: Key; isDescending: boolean }>({ key: "executions", isDescending: true });
  const rows = useMemo(() => [...agents].sort((one, other) => compare(one, other, sort.key, sort.isDescending)), [agents, sort]);
  return (
    <div className={table["scroller"]}>
      <table className={table["table"]}>
        <thead>
          <tr>
            {COLUMNS.map(({ key, label, isNumber }) => (
              <th
                key={key}
                scope="col"
                className={isNumber ? table["number"] : undefined}
                aria-sort={sort.key === key ? (sort.isDescending ? "descending" : "ascending") : undefined}
              >
                <button
                  type="button"
                  onClick={() => {
                    setSort({ key, isDescending: sort.key === key ? !sort.isDescending : key !== "agent_id" });
                  }}
                >
                  {label}
                  {sort.key === key && <span aria-hidden="true">{sort.isDescending ? " ↓" : " ↑"}</span>}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((agent) => (
            <AgentLine key={agent.agent_id} agent={agent} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function AgentLine({ agent }: { agent: AgentRow }) {
  const number = table["number"];
  return (
    <tr>
      <td className={table["name"]}>
        <Link to="/agents/$agentId" params={{ agentId: agent.agent_id }} search={(search) => search}>
          {agent.agent_id}
        </Link>
      </td>
      <td className={number}>{count(agent.executions)}</td>
      <td className={number}>{count(agent.running)}</td>
      <td className={number}>{percent(agent.success_rate)}</td>
      <td className={number}>{duration(agent.p50_duration_ms)}</td>
      <td className={number}>{duration(agent.p95_duration_ms)}</td>
      <td className={number}>{count(agent.tokens)}</td>
      <td className={number}>{cost(agent.cost_usd)}</td>
      <td className={number}>
        <Ago time={agent.last_seen} />
      </td>
    </tr>
  );
}

/** Unknown values come last either way. */
function compare(one: AgentRow, other: AgentRow, key: Key, isDescending: boolean): number {
  const [mine, theirs] = [one[key], other[key]];
  if (mine === null || theirs === null) return mine === theirs ? 0 : mine === null ? 1 : -1;
  const order = mine < theirs ? -1 : mine > theirs ? 1 : 0;
  return isDescending ? -order : order;
}
