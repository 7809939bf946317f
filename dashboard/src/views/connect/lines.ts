/** The lines that are the same for every framework, with the address and the key filled in. */

export interface Target {
  endpoint: string;
  /** `null` where none is needed. */
  key: string | null;
}

/** Keys go into the environment, so that they stand in no list of processes. */
export function instrumentLines({ endpoint, key }: Target): string {
  const line = `stepwell instrument --endpoint ${endpoint} -- python agent.py`;
  return key === null ? line : `export STEPWELL_API_KEY=${key}\n${line}`;
}

/** Its key has to read as well, for the demo checks that everything is shown. */
export function demoLines({ endpoint, key }: Target): string {
  const line = `stepwell demo --endpoint ${endpoint} --api ${endpoint}`;
  return key === null ? line : `export STEPWELL_KEY=${key}\n${line}`;
}

/** For OpenTelemetry's exporters. */
export function environmentLines({ endpoint, key }: Target): string {
  const lines = [
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}`,
    "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    "export OTEL_SERVICE_NAME=my-agent",
  ];
  return [...lines, ...(key === null ? [] : [`export OTEL_EXPORTER_OTLP_HEADERS=x-stepwell-key=${key}`])].join("\n");
}

export function functionLines({ endpoint, key }: Target): string {
  const given = key === null ? "" : `, api_key="${key}"`;
  return `import stepwell

stepwell.configure(endpoint="${endpoint}"${given})

@stepwell.step
def search(question: str) -> str:
    ...

@stepwell.agent
def support(question: str) -> str:
    return search(question)`;
}
