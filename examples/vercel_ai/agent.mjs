// An agent on the Vercel AI SDK. Of Stepwell it knows nothing: it exports to OpenTelemetry's standard address.
//
//   cd examples/vercel_ai && npm ci && OTEL_SERVICE_NAME=refunds node agent.mjs
import { flush } from "./telemetry.mjs";

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, tool } from "ai";
import { z } from "zod";

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const orders = { "ORD-1001": 39.9, "ORD-2002": 120.0 };

const { text } = await generateText({
  model: openai("gpt-4o-mini"),
  instructions: "You refund orders. Look each order up first.",
  prompt: process.argv[2] ?? "Refund order ORD-1001.",
  stopWhen: isStepCount(5),
  telemetry: { functionId: "refund_sdk" },
  tools: {
    lookup_order: tool({
      description: "Tells the amount of an order.",
      inputSchema: z.object({ order_id: z.string() }),
      execute: async ({ order_id }) => `${order_id}: ${orders[order_id]}`,
    }),
    refund_policy: tool({
      description: "Tells how long refunds are possible in a country.",
      inputSchema: z.object({ country: z.string() }),
      execute: async ({ country }) => `${country}: 30 days`,
    }),
  },
});

console.log(text);
await flush();
