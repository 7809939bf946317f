import { useEffect, useState } from "react";

import styles from "./Copy.module.css";

const SHOWN_MS = 1500;

/** Puts a text on the clipboard, and says so. */
export function Copy({ text, label }: { text: string | (() => string); label: string }) {
  const [done, setDone] = useState<"copied" | "refused" | null>(null);
  useEffect(() => {
    if (done === null) return;
    const timer = setTimeout(() => {
      setDone(null);
    }, SHOWN_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [done]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(typeof text === "string" ? text : text());
      setDone("copied");
    } catch {
      // Browsers give the clipboard to pages over HTTPS or from this machine alone.
      setDone("refused");
    }
  }

  return (
    <button type="button" className={styles.copy} onClick={() => void copy()}>
      {done === "copied" ? "Copied" : done === "refused" ? "Not allowed here" : label}
      <span role="status" className="visually-hidden">
        {done}
      </span>
    </button>
  );
}
