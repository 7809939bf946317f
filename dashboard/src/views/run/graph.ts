/** A run as a graph of names: what was called, how often, what came after what, and which way back makes a loop. */
import { type Kind, type Step, isWrong, kindOf } from "./steps";

export interface GraphNode {
  id: string;
  name: string;
  kind: Kind;
  count: number;
  wrong: number;
  selfMs: number;
  /** A step of this name: one that failed, else the slowest. */
  example: number;
  row: number;
  column: number;
}

export interface GraphEdge {
  from: string;
  to: string;
  count: number;
  /** Whether it leads back to where the run had been. */
  isBack: boolean;
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** Names that are left out, the rarest. */
  hidden: number;
}

/** More names than this are no picture any more. */
const MOST_NODES = 60;
const WRAPPER = "chain";

/** The graph of the steps; second reports of a call are left out. */
export function graphOf(steps: readonly Step[]): Graph {
  const drawn = steps.filter(({ operation, parent }) => operation !== WRAPPER || parent < 0);
  const nodes = nodesOf(drawn);
  const kept = new Map([...nodes].sort(([, one], [, other]) => other.count - one.count).slice(0, MOST_NODES));
  const order = new Map([...nodes.keys()].filter((id) => kept.has(id)).map((id, place) => [id, place]));
  const edges = edgesOf(steps, drawn, order);
  return { nodes: placed([...kept.values()], edges, order), edges, hidden: nodes.size - kept.size };
}

export function idOf(step: Step): string {
  return `${kindOf(step)} ${step.name}`;
}

function nodesOf(steps: readonly Step[]): Map<string, GraphNode> {
  const nodes = new Map<string, GraphNode & { exampleMs: number }>();
  for (const step of steps) {
    const id = idOf(step);
    const ms = step.selfMs ?? 0;
    let node = nodes.get(id);
    if (node === undefined) {
      node = { id, name: step.name, kind: kindOf(step), count: 0, wrong: 0, selfMs: 0, example: step.index, exampleMs: -1, row: 0, column: 0 };
      nodes.set(id, node);
    }
    const weight = isWrong(step) ? Number.POSITIVE_INFINITY : ms;
    if (weight > node.exampleMs) [node.example, node.exampleMs] = [step.index, weight];
    node.count += 1;
    node.wrong += isWrong(step) ? 1 : 0;
    node.selfMs += ms;
  }
  return nodes;
}

/** Each step comes after the sibling that ended last before it began, else after the step that holds them. */
function edgesOf(steps: readonly Step[], drawn: readonly Step[], order: ReadonlyMap<string, number>): GraphEdge[] {
  const groups = new Map<number, Step[]>();
  for (const step of drawn) {
    if (!order.has(idOf(step))) continue;
    const above = holderOf(steps, step, order);
    const group = groups.get(above);
    if (group === undefined) groups.set(above, [step]);
    else group.push(step);
  }
  const edges = new Map<string, GraphEdge>();
  for (const [above, group] of groups) {
    const holder = steps[above];
    for (const [before, step] of followed(group)) {
      const source = before ?? holder;
      if (source !== undefined) count(edges, idOf(source), idOf(step), order);
    }
  }
  return [...edges.values()];
}

/** The nearest step above that is drawn. */
function holderOf(steps: readonly Step[], step: Step, order: ReadonlyMap<string, number>): number {
  let above = steps[step.parent];
  while (above !== undefined && ((above.operation === WRAPPER && above.parent >= 0) || !order.has(idOf(above)))) {
    above = steps[above.parent];
  }
  return above?.at ?? -1;
}

/** Each step with the one that ended last before it began. */
function* followed(group: readonly Step[]): Generator<[Step | undefined, Step]> {
  const started = [...group].sort((one, other) => one.startMs - other.startMs || one.at - other.at);
  const ended = started
    .filter(({ durationMs }) => durationMs !== null)
    .sort((one, other) => endOf(one) - endOf(other) || one.at - other.at);
  let place = 0;
  let before: Step | undefined;
  for (const step of started) {
    for (let next = ended[place]; next !== undefined && next !== step && endOf(next) <= step.startMs; next = ended[place]) {
      before = next;
      place += 1;
    }
    yield [before, step];
  }
}

function endOf(step: Step): number {
  return step.startMs + (step.durationMs ?? 0);
}

function count(edges: Map<string, GraphEdge>, from: string, to: string, order: ReadonlyMap<string, number>): void {
  const key = `${from}\n${to}`;
  const known = edges.get(key);
  if (known !== undefined) known.count += 1;
  else edges.set(key, { from, to, count: 1, isBack: (order.get(from) ?? 0) >= (order.get(to) ?? 0) });
}

/** Rows by the longest way forward, columns by where the nodes above stand. */
function placed(nodes: GraphNode[], edges: readonly GraphEdge[], order: ReadonlyMap<string, number>): GraphNode[] {
  const sorted = nodes.sort((one, other) => (order.get(one.id) ?? 0) - (order.get(other.id) ?? 0));
  const known = new Map(sorted.map((node) => [node.id, node]));
  const forward = edges.filter(({ isBack }) => !isBack);
  // Forward edges lead from earlier nodes to later ones, so that one pass in order finds the longest ways.
  for (const node of sorted) {
    for (const { to } of forward.filter(({ from }) => from === node.id)) {
      const next = known.get(to);
      if (next !== undefined) next.row = Math.max(next.row, node.row + 1);
    }
  }
  const taken = new Map<number, number>();
  for (const node of [...sorted].sort((one, other) => one.row - other.row)) {
    const above = forward.filter(({ to }) => to === node.id).map(({ from }) => known.get(from)?.column ?? 0);
    const wanted = above.length === 0 ? 0 : Math.min(...above);
    node.column = Math.max(wanted, taken.get(node.row) ?? 0);
    taken.set(node.row, node.column + 1);
  }
  return sorted;
}
