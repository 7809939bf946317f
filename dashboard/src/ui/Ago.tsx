import { ago } from "../format/times";
import { MINUTE_MS, useMinute } from "../time/minute";

/** How long ago something was; the exact time in the reader's zone on hovering. */
export function Ago({ time }: { time: string }) {
  const nowMs = (useMinute() + 1) * MINUTE_MS;
  return (
    <time dateTime={time} title={new Date(time).toLocaleString()}>
      {ago(time, nowMs)}
    </time>
  );
}
