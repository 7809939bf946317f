import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "react";
import uPlot from "uplot";

import styles from "./TimeChart.module.css";
import { useTheme } from "./theme";

export interface Series {
  label: string;
  /** A custom property of the tokens, such as `--bad`. */
  colour: string;
  values: readonly (number | null)[];
  format: (value: number | null) => string;
  /** Bars for counts; a line for everything else. */
  shape?: "bars" | "line";
  isDashed?: boolean;
}

interface Props {
  /** What the chart shows, for those who do not see it. */
  summary: string;
  /** The time that the chart covers, in milliseconds since 1970, whether or not there are figures for all of it. */
  fromMs: number;
  toMs: number;
  /** Milliseconds since 1970, in order. */
  timesMs: readonly number[];
  series: readonly Series[];
  height?: number;
  /** Called with the two times between which somebody has dragged. */
  onDrag?: (startMs: number, stopMs: number) => void;
}

const SMALLEST_DRAG_PX = 8;

/** Figures over time; dragging over a stretch asks for it. The same figures are a table for screen readers. */
export function TimeChart({ summary, fromMs, toMs, timesMs, series, height = 180, onDrag }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const drag = useRef(onDrag);
  useEffect(() => {
    drag.current = onDrag;
  });
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const chart = new uPlot(optionsOf(element, { fromMs, toMs, series, height }, drag), dataOf(timesMs, series), element);
    const observer = new ResizeObserver(() => {
      chart.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [fromMs, toMs, timesMs, series, height, theme]);
  return (
    <figure className={styles.figure}>
      <div ref={holder} className={styles.chart} aria-hidden="true" />
      <figcaption className="visually-hidden">{summary}</figcaption>
    </figure>
  );
}

function dataOf(timesMs: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  return [timesMs.map((ms) => ms / 1000), ...series.map(({ values }) => [...values])];
}

function optionsOf(
  element: HTMLElement,
  { fromMs, toMs, series, height }: { fromMs: number; toMs: number; series: readonly Series[]; height: number },
  drag: { current: Props["onDrag"] },
): uPlot.Options {
  const style = getComputedStyle(element);
  const [muted, line] = [style.getPropertyValue("--chart-text"), style.getPropertyValue("--chart-line")];
  const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const first = series[0];
  return {
    width: element.clientWidth,
    height,
    legend: { live: true },
    cursor: { drag: { x: true, y: false, setScale: false, dist: SMALLEST_DRAG_PX } },
    axes: [
      { ...axis, space: 70, values: (_, ticks, __, ___, stepS) => tickTexts(ticks, stepS) },
      { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => first?.format(tick) ?? String(tick)) },
    ],
    scales: {
      x: { range: [fromMs / 1000, toMs / 1000] },
      y: { range: (_, __, highest) => [0, highest > 0 ? highest * 1.08 : 1] },
    },
    series: [{ value: (_, seconds) => timeText(seconds) }, ...series.map((each) => plotted(each, style))],
    hooks: {
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < SMALLEST_DRAG_PX) return;
          drag.current?.(chart.posToVal(left, "x") * 1000, chart.posToVal(left + width, "x") * 1000);
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

function plotted(series: Series, style: CSSStyleDeclaration): uPlot.Series {
  const colour = style.getPropertyValue(`--chart${series.colour}`);
  const { bars } = uPlot.paths;
  return {
    label: series.label,
    stroke: colour,
    width: 1.5,
    spanGaps: false,
    value: (_, value: number | null) => series.format(value),
    ...(series.isDashed === true ? { dash: [6, 4] } : {}),
    ...(series.shape === "bars" && bars !== undefined
      ? { fill: colour, width: 0, points: { show: false }, paths: bars({ size: [0.9, 24] }) }
      : {}),
  };
}

const DAY_S = 86_400;
const tickDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const tickTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** Ticks as the reader writes times: days, or times of day with the day where it begins. */
function tickTexts(ticks: readonly number[], stepS: number): string[] {
  return ticks.map((tick, place) => {
    const day = tickDay.format(tick * 1000);
    if (stepS >= DAY_S) return day;
    const before = ticks[place - 1];
    const isNewDay = before === undefined || tickDay.format(before * 1000) !== day;
    return isNewDay ? `${tickTime.format(tick * 1000)}\n${day}` : tickTime.format(tick * 1000);
  });
}

const shownTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** uPlot asks with `null` while the pointer is elsewhere. */
function timeText(seconds: number | null): string {
  return seconds === null ? "" : shownTime.format(seconds * 1000);
}
