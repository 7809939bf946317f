import { useMutation } from "@tanstack/react-query";

import { type Session, makeKey } from "../../api/access";
import { Code } from "../../ui/Code";
import styles from "./Connect.module.css";

/** Agents report with a key here. Whoever may make one gets it filled into the lines below; it is not shown again. */
export function KeyField({ session, show }: { session: Session; show: (key: string) => void }) {
  const making = useMutation({ mutationFn: () => makeKey(["ingest"], null), onSuccess: (made) => { show(made.key); } });
  if (!session.scopes.includes("admin")) {
    return (
      <p>
        Agents need a key with the scope <code>ingest</code>. Ask whoever runs this Stepwell, or make one beside it:
        <Code label="Make a key" text={`stepwell key create --workspace ${session.workspace?.name ?? "NAME"} --scope ingest`} />
      </p>
    );
  }
  return (
    <p className={styles.key}>
      <button type="button" disabled={making.isPending} onClick={() => { making.mutate(); }}>
        Make a key for this agent
      </button>
      {making.data === undefined ? (
        <span>It is filled into the lines below, and shown only now.</span>
      ) : (
        <span role="status">
          Made: <code>{making.data.key}</code>. Keep it, it is not shown again.
        </span>
      )}
      {making.error !== null && <span role="alert">{making.error.message}</span>}
    </p>
  );
}
