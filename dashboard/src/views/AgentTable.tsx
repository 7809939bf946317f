import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import type { Schemas } from "../api/client";
import { cost, count, duration, percent } from "../format/numbers";
import { Ago } from "../ui/Ago";
import { type Column, Table } from "../ui/Table";

type AgentRow = Schemas["AgentSummary"];

interface AgentColumn extends Column<AgentRow> {
  valueOf: (row: AgentRow) => string | number | null;
}

const COLUMNS: readonly AgentColumn[] = [
  {
    id: "agent_id",
    label: "Agent",
    isName: true,
    isSortable: true,
    valueOf: (row) => row.agent_id,
    show: (row) => (
      <Link to="/agents/$agentId" params={{ agentId: row.agent_id }} search={(search) => search}>
        {row.agent_id}
      </Link>
    ),
  },
  figure("executions", "Runs", (row) => row.executions, count),
  figure("running", "Running", (row) => row.running, count),
  figure("success_rate", "Success", (row) => row.success_rate, percent),
  figure("p50_duration_ms", "Median", (row) => row.p50_duration_ms, duration),
  figure("p95_duration_ms", "p95", (row) => row.p95_duration_ms, duration),
  figure("tokens", "Tokens", (row) => row.tokens, count),
  figure("cost_usd", "Cost", (row) => row.cost_usd, cost),
  {
    id: "last_seen",
    label: "Last seen",
    isNumber: true,
    isSortable: true,
    valueOf: (row) => row.last_seen,
    show: (row) => <Ago time={row.last_seen} />,
  },
];

function figure(
  id: string,
  label: string,
  valueOf: (row: AgentRow) => number | null,
  format: (value: number | null) => string,
): AgentColumn {
  return { id, label, isNumber: true, isSortable: true, valueOf, show: (row) => format(valueOf(row)) };
}

/** The agents with their figures; a click on a column's head sorts by it. */
export function AgentTable({ agents }: { agents: readonly AgentRow[] }) {
  const [sort, setSort] = useState({ id: "executions", isDescending: true });
  const rows = useMemo(() => {
    const column = COLUMNS.find(({ id }) => id === sort.id);
    if (column === undefined) return agents;
    return [...agents].sort((one, other) => compare(column.valueOf(one), column.valueOf(other), sort.isDescending));
  }, [agents, sort]);
  const by = (id: string) => {
    setSort({ id, isDescending: sort.id === id ? !sort.isDescending : id !== "agent_id" });
  };
  return <Table label="Agents" columns={COLUMNS} rows={rows} keyOf={(row) => row.agent_id} sorting={{ ...sort, by }} />;
}

/** Unknown values come last either way. */
function compare(mine: string | number | null, theirs: string | number | null, isDescending: boolean): number {
  if (mine === null || theirs === null) return mine === theirs ? 0 : mine === null ? 1 : -1;
  const order = mine < theirs ? -1 : mine > theirs ? 1 : 0;
  return isDescending ? -order : order;
}
