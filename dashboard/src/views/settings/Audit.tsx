import { useQuery } from "@tanstack/react-query";

import { auditQuery } from "../../api/access";
import type { Schemas } from "../../api/client";
import { UNKNOWN } from "../../format/numbers";
import { Failure, Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { type Column, Table } from "../../ui/Table";
import { Waiting } from "../../ui/Waiting";

type Entry = Schemas["AuditEntry"];

const COLUMNS: readonly Column<Entry>[] = [
  { id: "at", label: "When", show: (entry) => <time dateTime={entry.at}>{new Date(entry.at).toLocaleString()}</time> },
  { id: "actor", label: "Who", isName: true, show: (entry) => entry.actor },
  { id: "action", label: "What", show: (entry) => entry.action },
  { id: "target", label: "Of what", isName: true, show: (entry) => entry.target ?? UNKNOWN },
  { id: "detail", label: "Detail", isName: true, show: (entry) => (Object.keys(entry.detail).length === 0 ? "" : JSON.stringify(entry.detail)) },
];

/** Who changed what, the newest first. */
export function Audit() {
  const { data, error, refetch } = useQuery(auditQuery());
  return (
    <Panel title="Audit log" note="the last 50 changes">
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {error === null && data === undefined && <Waiting what="the audit log" />}
      {data?.items.length === 0 && <Notice title="Nothing was changed yet" />}
      {data !== undefined && data.items.length > 0 && (
        <Table label="Audit log" columns={COLUMNS} rows={data.items} keyOf={(entry) => String(entry.entry_id)} />
      )}
    </Panel>
  );
}
