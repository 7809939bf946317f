import { useState } from "react";

import styles from "./Code.module.css";

/** Lines to copy. */
export function Code({ text, label }: { text: string; label: string }) {
  const [said, setSaid] = useState("Copy");
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      setSaid("Select and copy by hand"); // a page without TLS may not write to the clipboard
    }
  }
  return (
    <div className={styles.code}>
      <pre tabIndex={0} role="group" aria-label={label}>
        {text}
      </pre>
      <button type="button" onClick={() => void copy()} aria-label={`${said}: ${label}`}>
        {said}
      </button>
    </div>
  );
}
