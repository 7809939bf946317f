/** The two sides of a comparison, as the URL and the API write them. */
import type { Schemas } from "../../api/client";
import { type Window, labelOf, rangeOf } from "../../time/window";

export type Side = Schemas["ComparedSide"];
export const KINDS = ["window", "version", "environment", "model", "execution"] as const;
export type Kind = (typeof KINDS)[number];

export const KIND_LABELS: Readonly<Record<Kind, string>> = {
  window: "Periods",
  version: "Versions",
  environment: "Environments",
  model: "Models",
  execution: "Two runs",
};

/** Kind and value of a side; a text of no kind is a version, as the API has it. */
export function partsOf(side: string): { kind: Kind; value: string } {
  const colon = side.indexOf(":");
  const kind = KINDS.find((word) => word === side.slice(0, Math.max(colon, 0)));
  return kind === undefined ? { kind: "version", value: side } : { kind, value: side.slice(colon + 1) };
}

export function sideOf(kind: Kind, value: string): string {
  return `${kind}:${value}`;
}

/** The period before the window, as long as it, and the window. */
export function periodsOf(window: Window): [string, string] {
  const [from, to] = [Date.parse(window.from), Date.parse(window.to)];
  const before = new Date(from - (to - from)).toISOString();
  return [sideOf("window", `${before}/${window.from}`), sideOf("window", `${window.from}/${window.to}`)];
}

/** What a side is called: a period in the reader's time. */
export function nameOf({ kind, value }: { kind: Kind; value: string }): string {
  const [from, to] = value.split("/");
  if (kind === "execution") return `run ${value.slice(0, 8)}`;
  if (kind !== "window" || from === undefined || to === undefined) return value;
  const [startMs, stopMs] = [Date.parse(from), Date.parse(to)];
  return Number.isNaN(startMs) || Number.isNaN(stopMs) ? value : labelOf(rangeOf(startMs, stopMs));
}

export type Facets = Schemas["Facets"];

/** The values that are known of a kind, the most frequent first. */
export function valuesOf(kind: Kind, facets: Facets | undefined): Facets["versions"] {
  if (facets === undefined || kind === "window" || kind === "execution") return [];
  return { version: facets.versions, environment: facets.environments, model: facets.models }[kind];
}

/** Sides whose value is not told are those that most runs tell. */
export function chosenOf(sides: readonly [string, string], facets: Facets | undefined): [string, string] {
  const [a, b] = [partsOf(sides[0]), partsOf(sides[1])];
  const known = valuesOf(a.kind, facets).map(({ value }) => value);
  const first = a.value === "" ? (known.find((value) => value !== b.value) ?? "") : a.value;
  const second = b.value === "" ? (known.find((value) => value !== first) ?? "") : b.value;
  return [sideOf(a.kind, first), sideOf(b.kind, second)];
}
