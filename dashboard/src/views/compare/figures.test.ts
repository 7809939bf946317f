import { expect, test } from "vitest";

import { type Difference, signed, verdictOf } from "./figures";

function difference(name: string, told: Partial<Difference>): Difference {
  const value = told.difference ?? 1;
  return {
    name, a: 1, b: 2, difference: value, change: 1, low: 0.5, high: 1.5, effect_size: 0.5, p_value: 0.001,
    is_significant: true, test: "test", n_a: 50, n_b: 50, ...told,
  }; // prettier-ignore
}

test.each([
  ["p95_duration", {}, "worse"],
  ["success_rate", {}, "better"],
  ["steps_total", {}, "differs"],
  ["p95_duration", { is_significant: false, p_value: 0.4 }, "even"],
  ["p95_duration", { is_significant: false, p_value: null }, "likely worse"],
  ["p95_duration", { is_significant: false, p_value: null, low: -1 }, "even"],
  ["p95_duration", { is_significant: false, p_value: null, n_a: 1, n_b: 1 }, "untested"],
  ["p95_duration", { n_b: 29 }, "too few"],
])("%s that differs by %o is %s", (name, told, verdict) => {
  expect(verdictOf(difference(name, told))).toBe(verdict);
});

test.each([
  ["success_rate", 0.012, "+1.2 pp"],
  ["avg_duration", -381, "−381 ms"],
  ["cost_usd", 0, "±0"],
])("%s is written with sign and unit", (name, value, text) => {
  expect(signed(difference(name, {}), value)).toBe(text);
});
