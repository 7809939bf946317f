import { type RefObject, useEffect, useMemo } from "react";

import { count, duration } from "../../format/numbers";
import { Notice } from "../../ui/Notice";
import styles from "./GraphView.module.css";
import { KIND_NAMES, KindTile } from "./KindTile";
import { type Graph, type GraphEdge, type GraphNode, graphOf, idOf } from "./graph";
import type { Step } from "./steps";

const WIDTH = 196;
const HEIGHT = 50;
const GAP_X = 36;
const GAP_Y = 46;
const MARGIN = 28;

interface Props {
  steps: readonly Step[];
  selected: Step | undefined;
  select: (index: number) => void;
  walkRef: RefObject<readonly number[]>;
}

/** The run as a graph of names: steps of a name are one node, ways back are loops. */
export function GraphView({ steps, selected, select, walkRef }: Props) {
  const graph = useMemo(() => graphOf(steps), [steps]);
  useEffect(() => {
    walkRef.current = graph.nodes.map(({ example }) => example);
  }, [walkRef, graph]);
  if (graph.nodes.length === 0) return <Notice title="The steps of this run are no longer stored" />;
  const columns = Math.max(...graph.nodes.map(({ column }) => column)) + 1;
  const rows = Math.max(...graph.nodes.map(({ row }) => row)) + 1;
  const loops = graph.edges.filter(({ isBack }) => isBack).length;
  const width = columns * (WIDTH + GAP_X) - GAP_X + MARGIN * 2 + Math.min(loops, 8) * 10;
  const height = rows * (HEIGHT + GAP_Y) - GAP_Y + MARGIN * 2;
  const chosen = selected === undefined ? null : idOf(selected);
  return (
    <section aria-label="Graph" className={styles.graph}>
      <p className={styles.note}>
        {count(steps.length)} steps of {count(graph.nodes.length + graph.hidden)} names
        {graph.hidden > 0 && `, the ${count(graph.nodes.length)} most frequent`}. A number on an arrow says how often it was gone;
        dashed arrows lead back.
      </p>
      <div className={styles.scroller} tabIndex={0} role="region" aria-label="Graph of the run">
        <div className={styles.canvas} style={{ width, height }}>
          <Edges graph={graph} width={width} height={height} />
          {graph.nodes.map((node) => (
            <NodeBox key={node.id} node={node} isSelected={node.id === chosen} select={select} />
          ))}
        </div>
      </div>
      <ol className="visually-hidden" aria-label="Transitions">
        {graph.edges.map(({ from, to, count: times, isBack }) => (
          <li key={`${from}\n${to}`}>
            {`${nameOf(graph, from)} to ${nameOf(graph, to)}, ${times} times${isBack ? ", back" : ""}`}
          </li>
        ))}
      </ol>
    </section>
  );
}

function nameOf({ nodes }: Graph, id: string): string {
  return nodes.find((node) => node.id === id)?.name ?? "";
}

function leftOf({ column }: GraphNode): number {
  return MARGIN + column * (WIDTH + GAP_X);
}

function topOf({ row }: GraphNode): number {
  return MARGIN + row * (HEIGHT + GAP_Y);
}

function NodeBox({ node, isSelected, select }: { node: GraphNode; isSelected: boolean; select: (index: number) => void }) {
  return (
    <button
      type="button"
      className={styles.node}
      data-kind={node.kind}
      data-wrong={node.wrong > 0}
      aria-pressed={isSelected}
      aria-label={`${node.name}, ${KIND_NAMES[node.kind]}, ${node.count} times, ${node.wrong} failed, ${duration(node.selfMs)}`}
      style={{ left: leftOf(node), top: topOf(node), width: WIDTH, height: HEIGHT }}
      onClick={() => {
        select(node.example);
      }}
    >
      <span className={styles.title}>
        <KindTile kind={node.kind} />
        <span className={styles.name}>{node.name}</span>
      </span>
      <span className={styles.figures}>
        {count(node.count)}× · {duration(node.selfMs)}
        {node.wrong > 0 && <span className={styles.wrong}> · ✕ {count(node.wrong)}</span>}
      </span>
    </button>
  );
}

function Edges({ graph, width, height }: { graph: Graph; width: number; height: number }) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const right = Math.max(...graph.nodes.map(leftOf)) + WIDTH;
  let lane = 0;
  return (
    <svg width={width} height={height} aria-hidden="true" className={styles.edges}>
      <defs>
        {["forward", "back"].map((name) => (
          <marker key={name} id={`arrow-${name}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0 8 4 0 8z" data-way={name} />
          </marker>
        ))}
      </defs>
      {graph.edges.map((edge) => {
        const [from, to] = [nodes.get(edge.from), nodes.get(edge.to)];
        if (from === undefined || to === undefined) return null;
        const drawn = edge.isBack ? backward(from, to, right, lane++ % 8) : forward(from, to, nodes);
        return <Arrow key={`${edge.from}\n${edge.to}`} edge={edge} {...drawn} />;
      })}
    </svg>
  );
}

interface Drawn {
  path: string;
  x: number;
  y: number;
}

function Arrow({ edge, path, x, y }: Drawn & { edge: GraphEdge }) {
  const way = edge.isBack ? "back" : "forward";
  return (
    <g data-way={way}>
      <path d={path} markerEnd={`url(#arrow-${way})`} strokeWidth={Math.min(1 + Math.log10(edge.count), 4)} />
      {edge.count > 1 && (
        <text x={x} y={y}>
          {edge.isBack ? `↺ ${count(edge.count)}` : `${count(edge.count)}×`}
        </text>
      )}
    </g>
  );
}

/** From the lower edge of a node to the upper edge of one below. */
function forward(from: GraphNode, to: GraphNode, nodes: ReadonlyMap<string, GraphNode>): Drawn {
  const [x1, y1] = [leftOf(from) + WIDTH / 2, topOf(from) + HEIGHT];
  const [x2, y2] = [leftOf(to) + WIDTH / 2, topOf(to)];
  const isBlocked = [...nodes.values()].some(({ row, column }) => column === from.column && column === to.column && row > from.row && row < to.row);
  if (isBlocked) {
    const side = leftOf(from) - 16;
    const [startY, stopY] = [y1 - HEIGHT / 2, y2 + HEIGHT / 2];
    const path = `M${leftOf(from)} ${startY} C${side} ${startY} ${side} ${startY} ${side} ${startY + 16} V${stopY - 16} C${side} ${stopY} ${side} ${stopY} ${leftOf(to)} ${stopY}`;
    return { path, x: side + 4, y: (startY + stopY) / 2 };
  }
  const middle = (y1 + y2) / 2;
  return { path: `M${x1} ${y1} C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`, x: (x1 + x2) / 2 + 6, y: middle + 4 };
}

/** Around the right side, each in a lane of its own. */
function backward(from: GraphNode, to: GraphNode, right: number, lane: number): Drawn {
  const x1 = leftOf(from) + WIDTH;
  const x2 = leftOf(to) + WIDTH;
  if (from === to) {
    const y = topOf(from) + HEIGHT / 2;
    return { path: `M${x1} ${y + 12} C${x1 + 30} ${y + 20} ${x1 + 30} ${y - 20} ${x1} ${y - 12}`, x: x1 + 25, y: y + 4 };
  }
  const [y1, y2] = [topOf(from) + HEIGHT / 2 + 6, topOf(to) + HEIGHT / 2 - 6];
  const alone = from.column === to.column && right === x1;
  const side = (alone ? Math.max(x1, x2) : right) + 14 + lane * 10;
  const turn = y1 > y2 ? -12 : 12;
  const path = `M${x1} ${y1} C${side} ${y1} ${side} ${y1} ${side} ${y1 + turn} V${y2 - turn} C${side} ${y2} ${side} ${y2} ${x2} ${y2}`;
  return { path, x: side + 4, y: (y1 + y2) / 2 + 4 };
}
