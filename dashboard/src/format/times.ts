/** Times as people say them. */

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** `3 min. ago`; what lies ahead by a clock's error is now. */
export function ago(time: string, nowMs: number): string {
  const passedMs = Math.max(nowMs - Date.parse(time), 0);
  const [unit, length] = STEPS.find(([, length]) => passedMs >= length) ?? ["second", 1000];
  return relative.format(-Math.floor(passedMs / length), unit);
}
