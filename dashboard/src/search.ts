/** What every view keeps in the URL: the time it is about, and where the runs come from. */
import { DEFAULT_RANGE, isRange } from "./time/window";

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

/** One text or a list of them. */
export function readTexts(value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((text) => typeof text === "string" || typeof text === "number").map(String);
}
