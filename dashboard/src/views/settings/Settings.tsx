import { useQuery } from "@tanstack/react-query";

import { sessionQuery } from "../../api/access";
import { Failure } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Waiting } from "../../ui/Waiting";
import page from "../Page.module.css";
import { Audit } from "./Audit";
import { Keys } from "./Keys";
import { Retention } from "./Retention";
import styles from "./Settings.module.css";

/** Who may do what here, how long what is kept, and who changed what. */
export function Settings() {
  const { data: session, error, refetch } = useQuery(sessionQuery());
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  if (session === undefined) return <Waiting what="the settings" />;
  const manages = session.scopes.includes("admin") || session.scopes.includes("operate");
  const facts: readonly (readonly [string, string])[] = [
    ["Signed in as", session.actor ?? "nobody"],
    ["Workspace", session.workspace?.name ?? "none"],
    ["May", session.scopes.join(", ")],
    ["Until", session.expires_at === null ? "no end" : new Date(session.expires_at).toLocaleString()],
  ];
  return (
    <div className={page["page"]}>
      <h1>Settings</h1>
      <Panel title="Access" note={session.auth_required ? "" : "without --auth: everyone who reaches this machine's loopback sees everything"}>
        <dl className={styles.facts}>
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </Panel>
      <Keys manages={manages} />
      <Retention workspace={session.workspace?.name ?? null} />
      {manages && <Audit />}
    </div>
  );
}
