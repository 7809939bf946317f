// A run of one agent with 250 tool calls, by OpenTelemetry's SDK and exporters for JavaScript; prints its trace id.
// Arguments: what to import the exporter from, where to send, none or gzip.
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [source, url, compression] = process.argv.slice(2);
const { OTLPTraceExporter } = await import(source);
const exporter = new OTLPTraceExporter({ url, compression });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'shop' }),
  spanProcessors: [new BatchSpanProcessor(exporter, { maxExportBatchSize: 100 })],
});
const tracer = provider.getTracer('tests', '1.0');

const root = tracer.startSpan('invoke_agent planner', {
  attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'planner' },
});
const within = trace.setSpan(ROOT_CONTEXT, root);
for (let number = 0; number < 250; number += 1) {
  const attributes = { 'gen_ai.operation.name': 'execute_tool', number, words: ['a', 'b'], share: 0.5, done: true };
  const span = tracer.startSpan('execute_tool search', { attributes }, within);
  span.addEvent('found', { hits: number });
  span.end();
}
root.end();
await provider.shutdown();
console.log(root.spanContext().traceId);
