import { expect, test } from "vitest";

import { FRAMEWORKS, PROVIDER } from "./frameworks";

function named(name: string) {
  return FRAMEWORKS.find((framework) => framework.name === name);
}

test("the documentation's lines come with their framework", () => {
  expect(named("LangChain, LangGraph")).toMatchObject({
    packages: ["openinference-instrumentation-langchain"],
    isAutomatic: true,
  });
  expect(named("LangChain, LangGraph")?.lines[0]).toContain("LangChainInstrumentor().instrument()");
  expect(named("OpenAI")?.lines[0]).toContain("OpenAIInstrumentor().instrument()");
  expect(named("OpenAI Agents")?.lines[0]).toContain("OpenAIAgentsInstrumentor");
  expect(named("Strands")?.packages).toEqual([]);
  expect(named("Mastra")).toMatchObject({ isAutomatic: false, lines: [] });
});

test("every framework tells something to do", () => {
  expect(FRAMEWORKS.length).toBeGreaterThan(30);
  for (const { name, isAutomatic, switchOn } of FRAMEWORKS) expect(isAutomatic || switchOn !== null, name).toBe(true);
  expect(PROVIDER).toContain("TracerProvider()");
});
