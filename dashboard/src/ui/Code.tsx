import styles from "./Code.module.css";
import { Copy } from "./Copy";

/** Lines to copy. */
export function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className={styles.code}>
      <pre tabIndex={0} role="group" aria-label={label}>
        {text}
      </pre>
      <div className={styles.copy}>
        <Copy text={text} label="Copy" />
      </div>
    </div>
  );
}
