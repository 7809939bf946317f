/** What to do to connect each framework, read from the documentation that tells it. */
import automatic from "../../../../docs/auto-instrumentation.md?raw";
import byHand from "../../../../docs/frameworks.md?raw";
import { codeOf, rowsOf, sectionOf, sectionsOf } from "../../documentation/markdown";

export interface Framework {
  name: string;
  /** What is installed beside Stepwell; empty where the framework brings its telemetry along. */
  packages: readonly string[];
  /** Whether `stepwell instrument` switches it on. */
  isAutomatic: boolean;
  /** Lines in code, tried out in the tests. */
  lines: readonly string[];
  /** What to switch on in code, in words, where there are no such lines. */
  switchOn: string | null;
}

/** The three lines that set up a tracer provider. */
export const PROVIDER = codeOf(byHand)[1] ?? "";

export const FRAMEWORKS: readonly Framework[] = readFrameworks(automatic, byHand);

export function readFrameworks(automaticText: string, byHandText: string): Framework[] {
  const tried = sectionsOf(sectionOf(byHandText, "## Lines that are tried out"), 3);
  const own = rowsOf(sectionOf(byHandText, "## With telemetry of their own"));
  const rows = rowsOf(sectionOf(automaticText, "## What is switched on"));
  const known = rows.map(([name = "", instrumentation = ""]) => ({
    name,
    packages: packagesOf(instrumentation),
    isAutomatic: true,
    lines: tried.filter(({ title }) => isSame(title, name)).flatMap(({ text }) => codeOf(text)),
    switchOn: own.find(([title = ""]) => isSame(title, name))?.[1] ?? null,
  }));
  const others = own
    .filter(([title = ""]) => !known.some(({ name }) => isSame(title, name)))
    .map(([name = "", switchOn = ""]) => ({ name, packages: [], isAutomatic: false, lines: [], switchOn }));
  return [...known, ...others].sort((one, other) => one.name.localeCompare(other.name));
}

/** The packages of what is preferred: those that come before the first `else`. */
function packagesOf(instrumentation: string): string[] {
  const [preferred = ""] = instrumentation.split(", else ");
  return [...preferred.matchAll(/`([^`]+)`/g)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/** Whether two headings name a framework in common: "LangChain and LangGraph", "LangChain, LangGraph". */
function isSame(one: string, other: string): boolean {
  const [mine, theirs] = [namesOf(one), namesOf(other)];
  return mine.some((name) => theirs.includes(name));
}

function namesOf(title: string): string[] {
  return title.replaceAll(/\(.*?\)|'s SDK$/g, "").split(/, | and /).map((name) => name.trim());
}
