import { Code } from "../../ui/Code";
import { partsOf } from "../../documentation/markdown";
import styles from "./Connect.module.css";
import { type Framework, PROVIDER } from "./frameworks";
import { type Target, environmentLines, instrumentLines } from "./lines";

/** What to install, run or add for a framework; without one, what holds for any Python agent. */
export function FrameworkSteps({ framework, target }: { framework: Framework | undefined; target: Target }) {
  if (framework?.isAutomatic === false) return <SwitchedOn framework={framework} target={target} />;
  const packages = ["stepwell", ...(framework?.packages ?? [])].join(" ");
  return (
    <>
      <ol className={styles.steps}>
        <li>
          Install Stepwell's client{framework !== undefined && framework.packages.length > 0 && ` and the instrumentation of ${framework.name}`}.
          <Code label="Install" text={`pip install ${packages}`} />
        </li>
        <li>
          Start the agent as it is, through <code>stepwell instrument</code>: no change of code, steps are seen while they run.
          <Code label="Run" text={instrumentLines(target)} />
        </li>
      </ol>
      {framework !== undefined && (framework.lines.length > 0 || framework.switchOn !== null) && (
        <details className={styles.details}>
          <summary>Or switch it on in code</summary>
          <InCode framework={framework} target={target} />
        </details>
      )}
    </>
  );
}

function SwitchedOn({ framework, target }: { framework: Framework; target: Target }) {
  return (
    <ol className={styles.steps}>
      <li>
        Switch its telemetry on: <Words text={framework.switchOn ?? ""} />
      </li>
      <li>
        Point its exporter here.
        <Code label="Environment" text={environmentLines(target)} />
      </li>
    </ol>
  );
}

function InCode({ framework, target }: { framework: Framework; target: Target }) {
  const [lines] = framework.lines;
  return (
    <ol className={styles.steps}>
      <li>
        Point OpenTelemetry's exporter here.
        <Code label="Environment" text={environmentLines(target)} />
      </li>
      <li>
        Set up a tracer provider, once, before the framework is imported.
        <Code label="Tracer provider" text={PROVIDER} />
      </li>
      <li>
        {lines === undefined ? (
          <>
            Then: <Words text={framework.switchOn ?? ""} />
          </>
        ) : (
          <>
            Switch the instrumentation on.
            <Code label="Instrumentation" text={lines} />
          </>
        )}
      </li>
    </ol>
  );
}

function Words({ text }: { text: string }) {
  return <>{partsOf(text).map((part, place) => (part.isCode ? <code key={place}>{part.text}</code> : part.text))}</>;
}
