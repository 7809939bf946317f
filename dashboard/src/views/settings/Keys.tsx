import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Scope, keysQuery, makeKey, revokeKey } from "../../api/access";
import type { Schemas } from "../../api/client";
import { UNKNOWN } from "../../format/numbers";
import { Ago } from "../../ui/Ago";
import { Code } from "../../ui/Code";
import { Failure, Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { type Column, Table } from "../../ui/Table";
import { Waiting } from "../../ui/Waiting";
import styles from "./Settings.module.css";

type Key = Schemas["Key"];
const SCOPES: readonly Scope[] = ["ingest", "read", "edit", "admin"];
const DAY_MS = 86_400_000;

/** The keys of the workspace: made, shown once, revoked. */
export function Keys({ manages }: { manages: boolean }) {
  if (!manages) {
    return (
      <Panel title="Keys">
        <Notice title="You may not see the keys">Managing them takes a key with the scope admin.</Notice>
      </Panel>
    );
  }
  return (
    <Panel title="Keys" note="kept as hashes; a key is shown once">
      <NewKey />
      <KeyTable />
    </Panel>
  );
}

function NewKey() {
  const cache = useQueryClient();
  const [scopes, setScopes] = useState<readonly Scope[]>(["ingest"]);
  const [days, setDays] = useState("0");
  const making = useMutation({
    mutationFn: () => makeKey([...scopes], days === "0" ? null : new Date(Date.now() + Number(days) * DAY_MS).toISOString()),
    onSuccess: () => refresh(cache),
  });
  return (
    <>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          making.mutate();
        }}
      >
        <fieldset>
          <legend className="visually-hidden">What the new key may do</legend>
          {SCOPES.map((scope) => (
            <label key={scope}>
              <input
                type="checkbox"
                checked={scopes.includes(scope)}
                onChange={(event) => {
                  setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope));
                }}
              />{" "}
              {scope}
            </label>
          ))}
        </fieldset>
        <label>
          Good{" "}
          <select
            value={days}
            onChange={(event) => {
              setDays(event.target.value);
            }}
          >
            <option value="0">until it is revoked</option>
            <option value="30">for 30 days</option>
            <option value="90">for 90 days</option>
            <option value="365">for a year</option>
          </select>
        </label>
        <button type="submit" disabled={scopes.length === 0 || making.isPending}>
          Make a key
        </button>
      </form>
      {making.error !== null && <p role="alert">{making.error.message}</p>}
      {making.data !== undefined && (
        <div className={styles.made} role="status">
          <p>Your new key. Copy it now: it is not shown again.</p>
          <Code label="New key" text={making.data.key} />
        </div>
      )}
    </>
  );
}

function KeyTable() {
  const cache = useQueryClient();
  const { data, error, refetch } = useQuery(keysQuery());
  const revoking = useMutation({ mutationFn: revokeKey, onSuccess: () => refresh(cache) });
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the keys" />;
  if (data.items.length === 0) return <Notice title="There are no keys yet" />;
  const columns: readonly Column<Key>[] = [
    { id: "key", label: "Key", show: (key) => <code>{key.key_prefix}…</code> },
    { id: "scopes", label: "May", show: (key) => key.scopes.join(", ") },
    { id: "made", label: "Made", isNumber: true, show: (key) => <Ago time={key.created_at} /> },
    { id: "used", label: "Last used", isNumber: true, show: (key) => (key.last_used_at === null ? "never" : <Ago time={key.last_used_at} />) },
    { id: "ends", label: "Ends", isNumber: true, show: (key) => (key.expires_at === null ? UNKNOWN : new Date(key.expires_at).toLocaleDateString()) },
    {
      id: "revoke",
      label: "State",
      isNumber: true,
      show: (key) =>
        key.revoked_at === null ? (
          <button
            type="button"
            className={styles.plain}
            aria-label={`Revoke ${key.key_prefix}`}
            onClick={() => {
              if (window.confirm(`Revoke ${key.key_prefix}…? What uses it is refused from then on.`)) revoking.mutate(key.key_id);
            }}
          >
            Revoke
          </button>
        ) : (
          <span className={styles.over}>revoked</span>
        ),
    },
  ];
  return (
    <>
      {revoking.error !== null && <p role="alert">{revoking.error.message}</p>}
      <Table label="Keys" columns={columns} rows={data.items} keyOf={(key) => key.key_id} />
    </>
  );
}

async function refresh(cache: QueryClient): Promise<void> {
  await Promise.all(
    [["keys"], ["audit"]].map(async (queryKey) => {
      // A first answer that is still on its way would be kept, though it knows nothing of the change.
      await cache.cancelQueries({ queryKey });
      await cache.invalidateQueries({ queryKey });
    }),
  );
}
