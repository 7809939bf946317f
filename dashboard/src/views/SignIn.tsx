import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { SESSION_KEY, sessionQuery, signIn } from "../api/access";
import { Panel } from "../ui/Panel";
import styles from "./SignIn.module.css";

/** Exchanges a key for a session, which the browser keeps where no script can read it. */
export function SignIn() {
  const cache = useQueryClient();
  const session = useQuery(sessionQuery());
  const [key, setKey] = useState("");
  const signing = useMutation({
    mutationFn: signIn,
    onSuccess: (session) => {
      cache.setQueryData(SESSION_KEY, session);
    },
  });
  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    signing.mutate(key.trim());
  }
  return (
    <div className={styles.place}>
      <h1 className="visually-hidden">Stepwell</h1>
      <Panel title="Sign in">
        {session.data?.ways.includes("openid") && (
          <p className={styles.way}>
            <a href="/api/v1/session/openid">Sign in with your organisation</a>
          </p>
        )}
        <form className={styles.form} onSubmit={submit}>
          <label>
            API key
            <input
              type="password"
              name="key"
              autoComplete="current-password"
              required
              value={key}
              aria-invalid={signing.error !== null}
              onChange={(event) => {
                setKey(event.target.value);
              }}
            />
          </label>
          {signing.error !== null && <p role="alert">{signing.error.message}</p>}
          <button type="submit" disabled={signing.isPending}>
            Sign in
          </button>
          <p className={styles.hint}>
            The key needs the scope <code>read</code>. Whoever runs this Stepwell makes one with{" "}
            <code>stepwell key create --workspace NAME --scope read</code>.
          </p>
        </form>
      </Panel>
    </div>
  );
}
