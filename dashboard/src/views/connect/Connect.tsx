import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { sessionQuery } from "../../api/access";
import { type ConnectSearch, WAYS, type Way, readConnect } from "../../search";
import { Choice } from "../../ui/Choice";
import { Code } from "../../ui/Code";
import { Panel } from "../../ui/Panel";
import page from "../Page.module.css";
import { Arrivals } from "./Arrivals";
import styles from "./Connect.module.css";
import { FrameworkSteps } from "./FrameworkSteps";
import { KeyField } from "./KeyField";
import { FRAMEWORKS } from "./frameworks";
import { type Target, demoLines, environmentLines, functionLines } from "./lines";

const route = getRouteApi("/connect");

const LABELS: Readonly<Record<Way, string>> = {
  demo: "See it with demo data",
  framework: "A framework",
  functions: "Your own functions",
  anything: "Any OpenTelemetry exporter",
};
const CHOICES = WAYS.map((value) => ({ value, label: LABELS[value] }));

/** How an agent reports here: the lines to copy, and the moment in which its first span arrives. */
export function Connect() {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/connect" });
  const session = useQuery(sessionQuery()).data;
  const { way = "framework" } = search;
  const [key, setKey] = useState<string | null>(null); // never in the URL, which browsers keep
  const target = { endpoint: window.location.origin, key: session?.auth_required === true ? (key ?? "YOUR_KEY") : null };
  const change = (changed: ConnectSearch) => {
    void navigate({ search: (before) => readConnect({ ...before, ...changed }), replace: true });
  };
  return (
    <div className={page["page"]}>
      <h1>Connect an agent</h1>
      <div className={styles.columns}>
        <Panel title="What to do" tools={<Choice label="What you have" choices={CHOICES} value={way} choose={(chosen) => { change({ way: chosen }); }} />}>
          {session?.auth_required === true && <KeyField session={session} show={setKey} />}
          <Steps way={way} framework={search.framework} target={target} choose={(framework) => { change({ framework }); }} />
        </Panel>
        <Arrivals />
      </div>
    </div>
  );
}

interface StepsProps {
  way: Way;
  framework: string | undefined;
  target: Target;
  choose: (framework: string) => void;
}

function Steps({ way, framework, target, choose }: StepsProps) {
  if (way === "framework") {
    return (
      <>
        <label className={styles.framework}>
          Framework
          <select
            value={framework ?? ""}
            onChange={(event) => {
              choose(event.target.value);
            }}
          >
            <option value="">any Python agent</option>
            {FRAMEWORKS.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <FrameworkSteps framework={FRAMEWORKS.find(({ name }) => name === framework)} target={target} />
      </>
    );
  }
  return (
    <ol className={styles.steps}>
      {LINES[way].map(({ say, label, lines }) => (
        <li key={label}>
          {say}
          <Code label={label} text={lines(target)} />
        </li>
      ))}
    </ol>
  );
}

interface Line {
  say: string;
  label: string;
  lines: (target: Target) => string;
}

const LINES: Readonly<Record<Exclude<Way, "framework">, readonly Line[]>> = {
  demo: [
    {
      say: "Send agent runs of all sorts, with failures, retries and live ones. It needs no key of a model vendor.",
      label: "Demo",
      lines: demoLines,
    },
  ],
  functions: [
    { say: "Install the client library.", label: "Install", lines: () => "pip install stepwell" },
    { say: "Say which functions are agents, and which are their steps.", label: "Code", lines: functionLines },
  ],
  anything: [
    {
      say: "Send OTLP here, from any language, SDK or Collector. Spans with OpenTelemetry's GenAI attributes become agents and steps.",
      label: "Environment",
      lines: environmentLines,
    },
  ],
};
