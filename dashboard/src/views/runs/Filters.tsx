import { useQuery } from "@tanstack/react-query";
import { Popover } from "radix-ui";
import { type SubmitEvent, useState } from "react";

import { facetsQuery } from "../../api/comparison";
import type { Scope } from "../../api/queries";
import { TRIGGERS } from "../../api/runs";
import { type RunsSearch, SORTS } from "../../search";
import { STATUSES, Status } from "../../ui/Status";
import type { Change } from "./Runs";
import styles from "./Runs.module.css";
import { LABELS } from "./labels";

interface Props {
  search: RunsSearch;
  scope: Scope;
  change: Change;
}

const ORDERS: Readonly<Record<string, string>> = {
  "-start_time": "Newest first",
  start_time: "Oldest first",
  "-duration_ms": "Longest first",
  duration_ms: "Shortest first",
  "-cost_usd": "Most expensive first",
  cost_usd: "Cheapest first",
  "-tokens": "Most tokens first",
  tokens: "Fewest tokens first",
  "-steps_total": "Most steps first",
  steps_total: "Fewest steps first",
};

/** Search, status, order, and all other filters behind a button. */
export function Filters({ search, scope, change }: Props) {
  const [text, setText] = useState(search.q ?? "");
  const [shown, setShown] = useState(search.q);
  if (shown !== search.q) {
    setShown(search.q); // going back changes the URL, and with it the field
    setText(search.q ?? "");
  }
  return (
    <form
      className={styles.filters}
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        change({ q: text.trim() });
      }}
    >
      <input
        type="search"
        aria-label="Search in errors, steps, inputs and outputs"
        placeholder="Search in errors, steps, inputs and outputs"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
        }}
      />
      <fieldset className={styles.statuses}>
        <legend className="visually-hidden">Status</legend>
        {STATUSES.map((status) => (
          <label key={status}>
            <input
              type="checkbox"
              checked={search.status?.includes(status) ?? false}
              onChange={(event) => {
                const others = (search.status ?? []).filter((word) => word !== status);
                change({ status: event.target.checked ? [...others, status] : others });
              }}
            />
            <Status status={status} />
          </label>
        ))}
      </fieldset>
      <label>
        <span className="visually-hidden">Order</span>
        <select
          value={search.sort ?? "-start_time"}
          onChange={(event) => {
            change({ sort: SORTS.find((order) => order === event.target.value) });
          }}
        >
          {SORTS.map((order) => (
            <option key={order} value={order}>
              {ORDERS[order]}
            </option>
          ))}
        </select>
      </label>
      <MoreFilters search={search} scope={scope} change={change} />
    </form>
  );
}

const TEXTS = ["agent", "error", "environment", "version", "model", "framework", "user_id", "session_id", "trace_id"] as const;

/** A filter for every field; what runs tell is offered. */
function MoreFilters({ search, scope, change }: Props) {
  const [isOpen, setOpen] = useState(false);
  const agents = search.agent ?? [];
  const facets = useQuery({ ...facetsQuery(agents.length === 1 ? (agents[0] ?? null) : null, scope), enabled: isOpen }).data;
  const offered: Partial<Record<(typeof TEXTS)[number], readonly { value: string }[]>> = {
    error: facets?.error_types ?? [],
    environment: facets?.environments ?? [],
    version: facets?.versions ?? [],
    model: facets?.models ?? [],
  };
  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const added = TEXTS.flatMap((name) => {
      const value = textOf(form.get(name));
      return value === "" ? [] : [[name, [...new Set([...(search[name] ?? []), value])]] as const];
    });
    const trigger = textOf(form.get("trigger_type"));
    change({
      ...Object.fromEntries(added),
      ...(trigger === "" ? {} : { trigger_type: [trigger] }),
      min_duration_ms: scaled(form.get("least"), 1000),
      max_duration_ms: scaled(form.get("most"), 1000),
      min_cost_usd: scaled(form.get("dearest"), 1),
    });
    setOpen(false);
  }
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger className={styles.button}>More filters</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={styles.popover} align="end" sideOffset={6} aria-label="More filters">
          <form className={styles.fields} onSubmit={submit}>
            {TEXTS.map((name) => (
              <label key={name}>
                {LABELS[name]}
                <input name={name} list={`offered-${name}`} autoComplete="off" />
                <datalist id={`offered-${name}`}>
                  {offered[name]?.map(({ value }) => <option key={value} value={value} />)}
                </datalist>
              </label>
            ))}
            <label>
              {LABELS.trigger_type}
              <select name="trigger_type" defaultValue={search.trigger_type?.[0] ?? ""}>
                <option value="">any</option>
                {TRIGGERS.map((word) => (
                  <option key={word}>{word}</option>
                ))}
              </select>
            </label>
            <NumberField name="least" label="Took at least, s" value={search.min_duration_ms} scale={1000} />
            <NumberField name="most" label="Took at most, s" value={search.max_duration_ms} scale={1000} />
            <NumberField name="dearest" label="Cost at least, $" value={search.min_cost_usd} scale={1} />
            <button type="submit" className={styles.button}>
              Apply
            </button>
          </form>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function NumberField({ name, label, value, scale }: { name: string; label: string; value: number | undefined; scale: number }) {
  return (
    <label>
      {label}
      <input name={name} type="number" min={0} step="any" defaultValue={value === undefined ? "" : value / scale} />
    </label>
  );
}

function textOf(value: FormDataEntryValue | null): string {
  return typeof value === "string" ? value.trim() : "";
}

/** A number in the API's unit; `undefined` where nothing is filled in. */
function scaled(value: FormDataEntryValue | null, scale: number): number | undefined {
  const text = textOf(value);
  return text === "" ? undefined : Number(text) * scale;
}
