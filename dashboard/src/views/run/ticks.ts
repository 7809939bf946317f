/** Where a time axis has its marks. */

const MOST = 6;
const NICE = [1, 2, 5, 10];
const ABOVE_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

/** Round times from 0 on, at most six, within the length. */
export function ticksOf(lengthMs: number): number[] {
  const stepMs = stepOf(lengthMs / MOST);
  const ticks: number[] = [];
  // The last tenth is left free, or a label would hang over the edge.
  for (let ms = 0; ms <= lengthMs * 0.92; ms += stepMs) ticks.push(ms);
  return ticks;
}

function stepOf(leastMs: number): number {
  if (leastMs > 1000) {
    const seconds = ABOVE_SECONDS.find((each) => each * 1000 >= leastMs);
    if (seconds !== undefined) return seconds * 1000;
  }
  const power = 10 ** Math.floor(Math.log10(Math.max(leastMs, 1e-6)));
  return (NICE.find((each) => each * power >= leastMs) ?? 10) * power;
}
