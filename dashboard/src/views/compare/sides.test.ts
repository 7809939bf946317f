import { expect, test } from "vitest";

import { type Facets, chosenOf, partsOf, periodsOf } from "./sides";

test.each([
  ["version:1.2", { kind: "version", value: "1.2" }],
  ["1.2", { kind: "version", value: "1.2" }],
  ["v:odd", { kind: "version", value: "v:odd" }],
  ["model:a:b", { kind: "model", value: "a:b" }],
])("%s is read as the API reads it", (side, parts) => {
  expect(partsOf(side)).toEqual(parts);
});

test("a period is set against the one before it", () => {
  const window = { from: "2026-03-02T00:00:00.000Z", to: "2026-03-04T00:00:00.000Z" };
  expect(periodsOf(window)).toEqual([
    "window:2026-02-28T00:00:00.000Z/2026-03-02T00:00:00.000Z",
    "window:2026-03-02T00:00:00.000Z/2026-03-04T00:00:00.000Z",
  ]);
});

test("sides that are not told are the most frequent ones", () => {
  const versions = ["1.0", "2.0", "3.0"].map((value, place) => ({ value, executions: 10 - place }));
  const facets: Facets = { from: "", to: "", versions, environments: [], models: [], error_types: [] };
  expect(chosenOf(["version:", "version:"], facets)).toEqual(["version:1.0", "version:2.0"]);
  expect(chosenOf(["version:", "version:1.0"], facets)).toEqual(["version:2.0", "version:1.0"]);
  expect(chosenOf(["model:", "model:"], facets)).toEqual(["model:", "model:"]);
});
