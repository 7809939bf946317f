/** Times as `<input type="datetime-local">` takes them: of the reader's zone, without the offset. */

export function localTime(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Milliseconds since 1970; `null` for what is no time. */
export function timeMs(value: FormDataEntryValue | null): number | null {
  const ms = typeof value === "string" ? new Date(value).getTime() : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}
