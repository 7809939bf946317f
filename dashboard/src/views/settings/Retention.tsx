import { useQuery } from "@tanstack/react-query";

import { retentionQuery } from "../../api/access";
import { Code } from "../../ui/Code";
import { Failure } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Waiting } from "../../ui/Waiting";
import styles from "./Settings.module.css";

/** How long what is kept, and how to change it: where the database is, not here. */
export function Retention({ workspace }: { workspace: string | null }) {
  const { data, error, refetch } = useQuery(retentionQuery());
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="how long what is kept" />;
  const times: readonly (readonly [string, number | null])[] = [
    ["Inputs, outputs, attributes", data.payload_days ?? data.raw_days],
    ["Runs and their steps", data.raw_days],
    ["Figures by the hour", data.hour_days],
    ["Figures by the day", data.day_days],
  ];
  const whose = workspace === null ? "" : ` --workspace ${workspace}`;
  return (
    <Panel title="Retention and redaction" note="what is older is deleted every six hours; figures stay">
      <dl className={styles.facts}>
        {times.map(([name, days]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{days === null ? "for ever" : `${days} days`}</dd>
          </div>
        ))}
      </dl>
      <p className={styles.hint}>Change it beside the database:</p>
      <Code label="Retention" text={`stepwell retention set${whose} --payloads 30 --raw 90 --hours 400`} />
      <p className={styles.hint}>Secrets are best masked before they leave the agent, by keys, by patterns or by a function of yours:</p>
      <Code label="Redaction" text={'stepwell.configure(redact_keys=["iban"], redact_patterns=[r"\\bcus_\\w+"])'} />
    </Panel>
  );
}
