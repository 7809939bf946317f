/** Figures as people read them: short, with their unit, and a dash for what is unknown. */

export const UNKNOWN = "–";

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

type Maybe = number | null | undefined;

/** `12,345`; from 100,000 on `123.5K`. */
export function count(value: Maybe): string {
  if (value == null) return UNKNOWN;
  return Math.abs(value) < 100_000 ? whole.format(value) : compact.format(value);
}

/** Milliseconds as `340 ms`, `1.25 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: Maybe): string {
  if (ms == null) return UNKNOWN;
  if (ms === 0) return "0 ms";
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`;
  if (ms < 999.5) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  return long(Math.round(ms / 1000));
}

/** US dollars with at least two digits that say something. */
export function cost(usd: Maybe): string {
  if (usd == null) return UNKNOWN;
  if (usd === 0) return "$0";
  if (Math.abs(usd) >= 1000) return `$${count(usd)}`;
  if (Math.abs(usd) >= 0.095) return `$${usd.toFixed(2)}`;
  return `$${Number(usd.toPrecision(2)).toString()}`;
}

/** A fraction from 0 to 1 as percent; never rounded to a 100 % or 0 % that it is not. */
export function percent(fraction: Maybe): string {
  if (fraction == null) return UNKNOWN;
  const value = fraction * 100;
  if (value > 99.9 && value < 100) return "> 99.9 %";
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${Number(value.toFixed(1)).toString()} %`;
}

/** A change as `+12 %` or `−3.4 %`. */
export function change(fraction: Maybe): string {
  if (fraction == null) return UNKNOWN;
  const sign = fraction > 0 ? "+" : fraction < 0 ? "−" : "±";
  const size = Math.abs(fraction) * 100;
  return `${sign}${size >= 1000 ? compact.format(size) : Number(size.toFixed(size < 10 ? 1 : 0)).toString()} %`;
}

/** Megabytes. */
export function memory(mb: Maybe): string {
  if (mb == null) return UNKNOWN;
  return mb >= 1000 ? `${(mb / 1000).toFixed(2)} GB` : `${mb < 10 ? mb.toFixed(1) : whole.format(mb)} MB`;
}

function long(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(" ");
}
