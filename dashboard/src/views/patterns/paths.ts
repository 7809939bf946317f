/** Paths as the API writes them (`chat > (search > chat)×3 > answer`), and the tree in which they part. */
import type { Schemas } from "../../api/client";

export type ExecutionPath = Schemas["ExecutionPath"];

const SEPARATOR = " > ";
const ROUNDS = /^(.*)×(\d+)$/s;
const LOOP_END = /^(.*)\)×(\d+)$/s;

/** A stretch of steps that all of some runs took, and how these runs went on. */
export interface Stretch {
  /** Names in order; `↻ ×3` says that what stands before it took three rounds. */
  steps: readonly string[];
  runs: number;
  successes: number;
  /** Means over the runs that tell; `null` where none does. */
  durationMs: number | null;
  costUsd: number | null;
  /** The path that ends with this stretch, if it is one. */
  path: string | null;
  next: readonly Stretch[];
}

/** The steps of a path, each loop as its first round and a word on how many there were. */
export function stepsOf(path: string): string[] {
  const steps: string[] = [];
  let loop: string[] | null = null;
  for (const part of path.split(SEPARATOR)) {
    if (loop === null && part.startsWith("(") && !part.includes(")")) loop = [part.slice(1)];
    else if (loop === null) steps.push(...withRounds(part));
    else {
      const [, name, rounds] = LOOP_END.exec(part) ?? [];
      loop.push(name ?? part);
      if (name === undefined || rounds === undefined) continue;
      steps.push(...loop, `↻ ×${rounds}, the last ${loop.length}`);
      loop = null;
    }
  }
  return loop === null ? steps : [...steps, ...loop];
}

/** `search×2` is a search, and one more round: so that paths part where the second round begins. */
function withRounds(step: string): string[] {
  const [, name, rounds] = ROUNDS.exec(step) ?? [];
  return name === undefined || rounds === undefined ? [step] : [name, `↻ ×${rounds}`];
}

/** The tree of the paths: what they have in common is one stretch, and each way on from it another. */
export function treeOf(paths: readonly ExecutionPath[]): Stretch[] {
  return grow(paths.map((path) => ({ path, rest: stepsOf(path.execution_path) })));
}

interface Branch {
  path: ExecutionPath;
  rest: readonly string[];
}

function grow(branches: readonly Branch[]): Stretch[] {
  const byFirst = new Map<string, Branch[]>();
  for (const branch of branches) {
    const first = branch.rest[0];
    if (first !== undefined) byFirst.set(first, [...(byFirst.get(first) ?? []), branch]);
  }
  return [...byFirst.values()].map(stretchOf).sort((one, other) => other.runs - one.runs);
}

function stretchOf(branches: readonly Branch[]): Stretch {
  const steps = commonStart(branches.map(({ rest }) => rest));
  const rests = branches.map(({ path, rest }) => ({ path, rest: rest.slice(steps.length) }));
  const ended = rests.find(({ rest }) => rest.length === 0);
  const onward = grow(rests);
  const ending = ended === undefined || onward.length === 0 ? [] : [{ ...figuresOf([ended.path]), steps: [], next: [] }];
  const isEnd = onward.length === 0 && ended !== undefined;
  return {
    ...figuresOf(branches.map(({ path }) => path)),
    path: isEnd ? ended.path.execution_path : null,
    steps,
    next: [...onward, ...ending].sort((one, other) => other.runs - one.runs),
  };
}

function commonStart(lists: readonly (readonly string[])[]): string[] {
  const [first = [], ...others] = lists;
  const end = first.findIndex((step, place) => others.some((list) => list[place] !== step));
  return end === -1 ? [...first] : first.slice(0, end);
}

function figuresOf(paths: readonly ExecutionPath[]) {
  const [only] = paths;
  return {
    runs: paths.reduce((runs, path) => runs + path.frequency, 0),
    successes: paths.reduce((runs, path) => runs + path.frequency * path.success_rate, 0),
    durationMs: meanOf(paths, (path) => path.avg_duration),
    costUsd: meanOf(paths, (path) => path.avg_cost_usd),
    path: paths.length === 1 && only !== undefined ? only.execution_path : null,
  };
}

function meanOf(paths: readonly ExecutionPath[], valueOf: (path: ExecutionPath) => number | null): number | null {
  let [sum, runs] = [0, 0];
  for (const path of paths) {
    const value = valueOf(path);
    if (value === null) continue;
    sum += value * path.frequency;
    runs += path.frequency;
  }
  return runs === 0 ? null : sum / runs;
}
