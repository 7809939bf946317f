import { Popover } from "radix-ui";

import { FORMATS, type RunQuery, curlOf, exportUrl } from "../../api/runs";
import { Copy } from "../../ui/Copy";
import styles from "./Runs.module.css";

const LABELS: Readonly<Record<(typeof FORMATS)[number], string>> = { csv: "CSV", jsonl: "JSON Lines", parquet: "Parquet" };

/** All that match as a file, however many, and the question for a shell. */
export function Export({ query }: { query: RunQuery }) {
  return (
    <Popover.Root>
      <Popover.Trigger className={styles.button}>Export</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={styles.popover} align="end" sideOffset={6} aria-label="Export">
          <p>All runs that match, with inputs and outputs:</p>
          <ul className={styles.formats}>
            {FORMATS.map((format) => (
              <li key={format}>
                <a href={exportUrl(query, format)} download={`executions.${format}`}>
                  {LABELS[format]}
                </a>
              </li>
            ))}
          </ul>
          <Copy text={() => curlOf(query)} label="Copy as curl" />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
