/** What every view keeps in the URL: the time it is about, and where the runs come from. */
import type { Signal } from "./api/ingest";
import type { RunSort } from "./api/runs";
import { DEFAULT_RANGE, isRange, lengthMs } from "./time/window";
import { STATUSES, type StatusWord } from "./ui/Status";

export interface CommonSearch {
  range?: string;
  environment?: string[];
  version?: string[];
}

/** Reads what is common from a URL; what makes no sense is left out rather than refused. */
export function readCommon(search: Record<string, unknown>): CommonSearch {
  const { range } = search;
  const environment = readTexts(search["environment"]);
  const version = readTexts(search["version"]);
  return {
    ...(typeof range === "string" && isRange(range) && range !== DEFAULT_RANGE ? { range } : {}),
    ...(environment.length > 0 ? { environment } : {}),
    ...(version.length > 0 ? { version } : {}),
  };
}

/** A view's own filters stay behind where one goes on to another. */
export function onlyCommon(search: CommonSearch): CommonSearch {
  return readCommon({ ...search });
}

/** One text or a list of them. */
export function readTexts(value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((text) => typeof text === "string" || typeof text === "number").map(String);
}

/** What the list of runs keeps in the URL beside that: its filters by the API's names, order and columns. */
export interface RunsSearch extends CommonSearch, Partial<Record<ListFilter, string[]>>, Partial<Record<NumberFilter, number>> {
  agent?: string[];
  status?: StatusWord[];
  error?: string[];
  path?: string;
  q?: string;
  sort?: RunSort;
  columns?: string[];
}

export const LIST_FILTERS = ["model", "framework", "trigger_type", "user_id", "session_id", "trace_id"] as const;
export type ListFilter = (typeof LIST_FILTERS)[number];
export const NUMBER_FILTERS = ["min_duration_ms", "max_duration_ms", "min_cost_usd"] as const;
export type NumberFilter = (typeof NUMBER_FILTERS)[number];

export const SORTS: readonly RunSort[] = [
  "-start_time", "start_time", "-duration_ms", "duration_ms", "-cost_usd", "cost_usd", "-tokens", "tokens", "-steps_total",
  "steps_total",
]; // prettier-ignore

export function readRuns(search: Record<string, unknown>): RunsSearch {
  const [agent, error, columns] = [readTexts(search["agent"]), readTexts(search["error"]), readTexts(search["columns"])];
  const [path] = readTexts(search["path"]);
  const words = readTexts(search["status"]);
  const status = STATUSES.filter((word) => words.includes(word));
  const sort = SORTS.find((order) => order === search["sort"]);
  const q = search["q"];
  const read: RunsSearch = {
    ...readCommon(search),
    ...(agent.length > 0 ? { agent } : {}),
    ...(status.length > 0 ? { status } : {}),
    ...(error.length > 0 ? { error } : {}),
    ...(path === undefined ? {} : { path }),
    ...(typeof q === "string" && q !== "" ? { q } : typeof q === "number" ? { q: String(q) } : {}),
    ...(sort === undefined ? {} : { sort }),
    ...(columns.length > 0 ? { columns } : {}),
  };
  for (const name of LIST_FILTERS) {
    const values = readTexts(search[name]);
    if (values.length > 0) read[name] = values;
  }
  for (const name of NUMBER_FILTERS) {
    const value = search[name];
    if (typeof value === "number" && value >= 0) read[name] = value;
  }
  return read;
}

/** What a run's page keeps: what is shown, the step that is looked at, and what is looked for among the steps. */
export interface RunSearch extends CommonSearch {
  tab?: RunTab;
  step?: number;
  find?: string;
  only?: "wrong" | "critical";
}

export const RUN_TABS = ["steps", "transcript", "graph", "data", "checkpoints"] as const;
export type RunTab = (typeof RUN_TABS)[number];

export function readRun(search: Record<string, unknown>): RunSearch {
  const { step, find, only } = search;
  const tab = RUN_TABS.find((name) => name === search["tab"]);
  return {
    ...readCommon(search),
    ...(tab === undefined || tab === RUN_TABS[0] ? {} : { tab }),
    ...(typeof step === "number" && Number.isInteger(step) && step >= 0 ? { step } : {}),
    ...(typeof find === "string" && find !== "" ? { find } : typeof find === "number" ? { find: String(find) } : {}),
    ...(only === "wrong" || only === "critical" ? { only } : {}),
  };
}

/** What the patterns keep: what the colours of the hours show. */
export interface PatternsSearch extends CommonSearch {
  heat?: Heat;
}

export const HEATS = ["runs", "failures", "duration"] as const;
export type Heat = (typeof HEATS)[number];

export function readPatterns(search: Record<string, unknown>): PatternsSearch {
  const heat = HEATS.find((word) => word === search["heat"]);
  return { ...readCommon(search), ...(heat === undefined ? {} : { heat }) };
}

/** What a comparison keeps: its two sides, as the API takes them. */
export interface CompareSearch extends CommonSearch {
  a?: string;
  b?: string;
}

export function readCompare(search: Record<string, unknown>): CompareSearch {
  const [[a], [b]] = [readTexts(search["a"]), readTexts(search["b"])];
  return { ...readCommon(search), ...(a === undefined ? {} : { a }), ...(b === undefined ? {} : { b }) };
}

/** What the way to connect an agent keeps. */
export interface ConnectSearch extends CommonSearch {
  way?: Way;
  framework?: string;
}

export const WAYS = ["framework", "functions", "anything", "demo"] as const;
export type Way = (typeof WAYS)[number];

export function readConnect(search: Record<string, unknown>): ConnectSearch {
  const way = WAYS.find((word) => word === search["way"]);
  const [framework] = readTexts(search["framework"]);
  return {
    ...readCommon(search),
    ...(way === undefined ? {} : { way }),
    ...(framework === undefined || framework === "" ? {} : { framework }),
  };
}

/** What the ledger keeps: of which signal it is. */
export interface IngestSearch extends CommonSearch {
  signal?: Signal;
}

export const SIGNALS: readonly Signal[] = ["traces", "logs", "metrics"];

export function readIngest(search: Record<string, unknown>): IngestSearch {
  const signal = SIGNALS.find((word) => word === search["signal"]);
  return { ...readCommon(search), ...(signal === undefined ? {} : { signal }) };
}

/** What figures keep: which resource is drawn, and the stretch whose runs are looked at. */
export interface FiguresSearch extends CommonSearch {
  resource?: Resource;
  spike?: string;
}

export const RESOURCES = ["tokens", "cost", "credits", "memory", "calls"] as const;
export type Resource = (typeof RESOURCES)[number];

export function readFigures(search: Record<string, unknown>): FiguresSearch {
  const resource = RESOURCES.find((word) => word === search["resource"]);
  const { spike } = search;
  return {
    ...readCommon(search),
    ...(resource === undefined ? {} : { resource }),
    ...(typeof spike === "string" && isRange(spike) && lengthMs(spike) === null ? { spike } : {}),
  };
}
