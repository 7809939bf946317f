import type { ReactNode } from "react";

import { ApiError } from "../api/client";
import styles from "./Notice.module.css";

interface Props {
  title: string;
  children?: ReactNode;
  /** An error is announced at once. */
  kind?: "empty" | "error";
}

/** Says that there is nothing to show, why, and what to do about it. */
export function Notice({ title, children, kind = "empty" }: Props) {
  return (
    <div className={styles.notice} role={kind === "error" ? "alert" : "status"}>
      <strong>{title}</strong>
      {children !== undefined && <div className={styles.detail}>{children}</div>}
    </div>
  );
}

/** What went wrong with a question, in the API's words where it had any. */
export function Failure({ error, retry }: { error: Error; retry: () => void }) {
  const isRefused = error instanceof ApiError && [401, 403].includes(error.status);
  const title = isRefused ? "You may not see this" : "This could not be loaded";
  const detail = error instanceof ApiError ? error.message : "Stepwell does not answer. Is it running?";
  return (
    <Notice kind="error" title={title}>
      <p>{detail}</p>
      {!isRefused && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </Notice>
  );
}
