import { useState } from "react";

import { Notice } from "./Notice";
import styles from "./Json.module.css";

/** More is shown on request: a browser should not lay out megabytes that nobody asked for. */
const SHOWN = 20_000;

/** JSON as text: nothing in it is ever markup. */
export function Json({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  if (value === null || value === undefined) return <Notice title="Nothing was recorded" />;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const isCut = !isWhole && text.length > SHOWN;
  return (
    <>
      <pre className={styles.json}>{isCut ? text.slice(0, SHOWN) : text}</pre>
      {isCut && (
        <button
          type="button"
          onClick={() => {
            setWhole(true);
          }}
        >
          Show all {text.length.toLocaleString()} characters
        </button>
      )}
    </>
  );
}
