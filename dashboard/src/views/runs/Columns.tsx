import { Popover } from "radix-ui";

import styles from "./Runs.module.css";
import type { Change } from "./Runs";
import { COLUMNS, USUAL } from "./runColumns";

/** Chooses what the table tells of a run; the URL keeps it. */
export function Columns({ shown, change }: { shown: readonly string[]; change: Change }) {
  return (
    <Popover.Root>
      <Popover.Trigger className={styles.button}>Columns</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={styles.popover} align="end" sideOffset={6} aria-label="Columns">
          <ul className={styles.choices}>
            {COLUMNS.map(({ id, label }) => (
              <li key={id}>
                <label>
                  <input
                    type="checkbox"
                    checked={shown.includes(id)}
                    disabled={id === "agent"}
                    onChange={(event) => {
                      change({ columns: event.target.checked ? [...shown, id] : shown.filter((each) => each !== id) });
                    }}
                  />{" "}
                  {label}
                </label>
              </li>
            ))}
          </ul>
          <button
            type="button"
            className={styles.button}
            disabled={shown === USUAL}
            onClick={() => {
              change({ columns: undefined });
            }}
          >
            The usual ones
          </button>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
