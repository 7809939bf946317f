/** Where each stretch of a flow stands: a column for each time that paths have parted, the ways on beside each other. */
import type { Stretch } from "./paths";

export const WIDTH = 208;
export const GAP_X = 56;
const GAP_Y = 14;
const HEAD = 62;
const LINE = 20;
/** Of a longer stretch the middle is left out. */
export const MOST_LINES = 9;
const WIDEST_BAND = 44;

export interface Box {
  key: string;
  stretch: Stretch;
  x: number;
  y: number;
  height: number;
}

/** The runs that go from one stretch on to the next, as wide as there are many. */
export interface Band {
  key: string;
  path: string;
  width: number;
  successRate: number;
}

export interface Flow {
  boxes: readonly Box[];
  bands: readonly Band[];
  width: number;
  height: number;
}

interface Placed extends Box {
  next: readonly Placed[];
}

export function layOut(roots: readonly Stretch[]): Flow {
  const placed: Placed[] = [];
  let y = 0;
  for (const [place, root] of roots.entries()) {
    placed.push(placedAt(root, 0, y, String(place)));
    y += heightOf(root) + GAP_Y;
  }
  const boxes = placed.flatMap(everyBox);
  const runs = roots.reduce((sum, root) => sum + root.runs, 0);
  return {
    boxes,
    bands: boxes.flatMap((box) => bandsOf(box, runs)),
    width: Math.max(...boxes.map((box) => box.x + WIDTH), 0),
    height: Math.max(y - GAP_Y, 0),
  };
}

function placedAt(stretch: Stretch, column: number, top: number, key: string): Placed {
  const [whole, own] = [heightOf(stretch), boxHeight(stretch)];
  let y = top + (whole - waysHeight(stretch)) / 2;
  const next = stretch.next.map((way, place) => {
    const box = placedAt(way, column + 1, y, `${key}.${place}`);
    y += heightOf(way) + GAP_Y;
    return box;
  });
  return { key, stretch, x: column * (WIDTH + GAP_X), y: top + (whole - own) / 2, height: own, next };
}

/** Of a stretch with all that follows it. */
function heightOf(stretch: Stretch): number {
  return Math.max(boxHeight(stretch), waysHeight(stretch));
}

function waysHeight(stretch: Stretch): number {
  const heights = stretch.next.reduce((sum, way) => sum + heightOf(way), 0);
  return heights + GAP_Y * Math.max(stretch.next.length - 1, 0);
}

function boxHeight(stretch: Stretch): number {
  return HEAD + LINE * Math.max(Math.min(stretch.steps.length, MOST_LINES), 1);
}

function everyBox(box: Placed): Placed[] {
  return [box, ...box.next.flatMap(everyBox)];
}

function bandsOf(box: Placed, runs: number): Band[] {
  const widths = box.next.map((way) => Math.max((way.stretch.runs / runs) * WIDEST_BAND, 1.5));
  let start = box.y + box.height / 2 - widths.reduce((sum, width) => sum + width, 0) / 2;
  return box.next.map((way, place) => {
    const width = widths[place] ?? 0;
    const [fromX, fromY, toX, toY] = [box.x + WIDTH, start + width / 2, way.x, way.y + way.height / 2];
    const middle = (fromX + toX) / 2;
    start += width;
    return {
      key: way.key,
      path: `M${fromX} ${fromY}C${middle} ${fromY} ${middle} ${toY} ${toX} ${toY}`,
      width,
      successRate: way.stretch.successes / way.stretch.runs,
    };
  });
}
