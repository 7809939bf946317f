import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { UNKNOWN, count, duration, percent } from "../../format/numbers";
import { HEATS, type Heat } from "../../search";
import { Choice } from "../../ui/Choice";
import { Panel } from "../../ui/Panel";
import type { Analytics } from "../figures";
import styles from "./HeatMap.module.css";
import { type Cell, weekOf } from "./week";

const route = getRouteApi("/agents/$agentId/patterns");

interface Shade {
  label: string;
  /** What is shown in a cell, without its unit, which the head of the panel tells. */
  text: (cell: Cell) => string;
  /** From 0 to 1, against the others. */
  strength: (cell: Cell, cells: readonly Cell[]) => number;
  colour: string;
  note: string;
}

const SHADES: Readonly<Record<Heat, Shade>> = {
  runs: {
    label: "Runs",
    note: "runs per hour, mean over the weeks",
    text: (cell) => (cell.runsPerHour === null ? UNKNOWN : short(cell.runsPerHour)),
    strength: (cell, cells) => (cell.runsPerHour ?? 0) / Math.max(...cells.map((each) => each.runsPerHour ?? 0), 1e-9),
    colour: "--accent",
  },
  failures: {
    label: "Without success",
    note: "percent of the runs that started in the hour",
    text: (cell) => (cell.successRate === null ? UNKNOWN : String(Math.round((1 - cell.successRate) * 100))),
    strength: (cell) => (cell.successRate === null ? 0 : Math.min((1 - cell.successRate) * 2, 1)),
    colour: "--bad",
  },
  duration: {
    label: "Mean duration",
    note: "of the runs that started in the hour",
    text: (cell) => (cell.durationMs === null ? UNKNOWN : duration(cell.durationMs).replace(" ", "\u202f")),
    strength: (cell, cells) => (cell.durationMs ?? 0) / Math.max(...cells.map((each) => each.durationMs ?? 0), 1e-9),
    colour: "--warn",
  },
};

const CHOICES = HEATS.map((value) => ({ value, label: SHADES[value].label }));
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
/** A Monday. */
const MONDAY = new Date(2026, 2, 9);
const NAMES = Array.from({ length: 7 }, (_, day) => weekday.format(new Date(2026, 2, MONDAY.getDate() + day)));

/** When runs come, fail and are slow: a cell for each hour of the week. */
export function HeatMap({ analytics }: { analytics: Analytics }) {
  const { heat = "runs" } = route.useSearch();
  const navigate = useNavigate({ from: "/agents/$agentId/patterns" });
  const week = useMemo(
    () => weekOf(analytics.execution_patterns, Date.parse(analytics.from), Date.parse(analytics.to)),
    [analytics],
  );
  const shade = SHADES[heat];
  const cells = week.flat();
  const choose = (value: Heat) => {
    void navigate({ search: ({ heat: _before, ...others }) => (value === "runs" ? others : { ...others, heat: value }), replace: true });
  };
  return (
    <Panel
      title="By hour and weekday"
      note={`${shade.note}, in your time zone (${zone})`}
      tools={<Choice label="What the colours show" choices={CHOICES} value={heat} choose={choose} />}
    >
      <div className={styles.scroller} role="group" aria-label="Hours of the week" tabIndex={0}>
        <table className={styles.map}>
          <thead>
            <tr>
              <th scope="col">
                <span className="visually-hidden">Weekday</span>
              </th>
              {Array.from({ length: 24 }, (_, hour) => (
                <th key={hour} scope="col">
                  {String(hour).padStart(2, "0")}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {week.map((day, place) => (
              <tr key={NAMES[place]}>
                <th scope="row">{NAMES[place]}</th>
                {day.map((cell, hour) => (
                  <td key={hour} style={{ background: backgroundOf(cell, cells, shade) }} title={titleOf(cell, place, hour)}>
                    {shade.text(cell)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

/** Strong enough to be told apart, weak enough for the figures on it to be read. */
function backgroundOf(cell: Cell, cells: readonly Cell[], shade: Shade): string {
  const share = Math.round(shade.strength(cell, cells) * 45);
  return `color-mix(in srgb, var(${shade.colour}) ${share}%, var(--surface))`;
}

function titleOf(cell: Cell, day: number, hour: number): string {
  const success = cell.successRate === null ? "" : `, ${percent(cell.successRate)} successful, ${duration(cell.durationMs)} on average`;
  return `${NAMES[day] ?? ""} ${hour}:00 – ${count(cell.runs)} runs${success}`;
}

function short(value: number): string {
  return value >= 10 || Number.isInteger(value) ? count(value) : value.toFixed(1);
}
