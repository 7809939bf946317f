import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { type Signal, ingestQuery } from "../../api/ingest";
import { count, percent } from "../../format/numbers";
import { SIGNALS } from "../../search";
import { Choice } from "../../ui/Choice";
import { Failure, Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { type Column, Table } from "../../ui/Table";
import { Waiting } from "../../ui/Waiting";
import { useScope } from "../../ui/scope";
import page from "../Page.module.css";
import { Account } from "./Account";
import { ArrivalChart } from "./ArrivalChart";
import { meaningOf } from "./reasons";

const route = getRouteApi("/ingest");
type Ledger = Schemas["IngestLedger"];
type Key = Schemas["KeyIngestCounts"];

const LABELS: Readonly<Record<Signal, string>> = { traces: "Spans", logs: "Log records", metrics: "Metrics" };
const CHOICES = SIGNALS.map((value) => ({ value, label: LABELS[value] }));

/** The ledger: what arrived, what became of it, and what was refused and why. */
export function Ingest() {
  const { signal = "traces" } = route.useSearch();
  const navigate = useNavigate({ from: "/ingest" });
  const { window } = useScope();
  const { data, error, refetch } = useQuery(ingestQuery(window, signal));
  const choose = (chosen: Signal) => {
    void navigate({ search: ({ signal: _before, ...others }) => (chosen === "traces" ? others : { ...others, signal: chosen }) });
  };
  return (
    <div className={page["page"]}>
      <div className={page["title"]}>
        <h1>Ingest</h1>
        <Choice label="Signal" choices={CHOICES} value={signal} choose={choose} />
      </div>
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {error === null && data === undefined && <Waiting what="the ledger" />}
      {error === null && data !== undefined && <Shown ledger={data} />}
    </div>
  );
}

function Shown({ ledger }: { ledger: Ledger }) {
  const { totals } = ledger;
  if (totals.received === 0 && totals.refused_requests === 0) {
    return (
      <Notice title="Nothing arrived in this time">
        <p>The ledger counts what arrives by the hour of its arrival, whenever it happened.</p>
        <Link to="/connect">Connect an agent</Link>
      </Notice>
    );
  }
  return (
    <>
      <Account totals={totals} signal={ledger.signal} />
      <Panel title="Arrivals by the hour">
        <ArrivalChart ledger={ledger} />
      </Panel>
      <Reasons ledger={ledger} />
      <Keys keys={ledger.by_key} />
    </>
  );
}

interface Reason {
  what: string;
  reason: string;
  count: number;
}

const REASONS: readonly Column<Reason>[] = [
  { id: "what", label: "What", show: (row) => row.what },
  { id: "reason", label: "Reason", isName: true, show: (row) => <code>{row.reason}</code> },
  { id: "meaning", label: "Means", show: (row) => meaningOf(row.reason) },
  { id: "count", label: "Count", isNumber: true, show: (row) => count(row.count) },
];

/** Everything that is not there although it was sent, by why. */
function Reasons({ ledger: { totals, signal } }: { ledger: Ledger }) {
  const items = LABELS[signal];
  const rows: Reason[] = [
    ...totals.refused_by_reason.map((each) => ({ what: "Requests refused", ...each })),
    ...totals.rejected_by_reason.map((each) => ({ what: `${items} rejected`, ...each })),
    ...totals.dropped_by_reason.map((each) => ({ what: `${items} deleted again`, ...each })),
  ];
  return (
    <Panel title="What is not there, and why" note="senders were told of everything that was refused">
      {rows.length === 0 ? (
        <Notice title="Nothing was refused" />
      ) : (
        <Table label="Refused by reason" columns={REASONS} rows={rows} keyOf={(row) => `${row.what} ${row.reason}`} />
      )}
    </Panel>
  );
}

const KEYS: readonly Column<Key>[] = [
  { id: "key", label: "Key", show: (key) => (key.key_id === null ? "without a key" : <code>{key.key_prefix ?? key.key_id}…</code>) },
  { id: "received", label: "Received", isNumber: true, show: (key) => count(key.received) },
  { id: "stored", label: "Stored", isNumber: true, show: (key) => count(key.stored) },
  { id: "duplicate", label: "Known already", isNumber: true, show: (key) => count(key.duplicate) },
  { id: "rejected", label: "Rejected", isNumber: true, show: (key) => count(key.rejected) },
  { id: "late", label: "Late", hint: "More than 5 minutes after they had ended", isNumber: true, show: (key) => count(key.late) },
  { id: "orphaned", label: "Without parent", isNumber: true, show: (key) => percent(key.kept ? key.orphaned / key.kept : null) },
  { id: "requests", label: "Requests refused", isNumber: true, show: (key) => count(key.refused_requests) },
];

function Keys({ keys }: { keys: readonly Key[] }) {
  return (
    <Panel title="By key">
      <Table label="By key" columns={KEYS} rows={keys} keyOf={(key) => key.key_id ?? ""} />
    </Panel>
  );
}
