import { useEffect, useRef } from "react";

import styles from "./Help.module.css";

const KEYS: readonly (readonly [string, string])[] = [
  ["j  k  ↑  ↓", "next and previous step"],
  ["← →", "fold and unfold a step in the list"],
  ["Home  End", "first and last step"],
  ["e", "next step that failed"],
  ["Enter", "to the details of the step"],
  ["/", "search the steps"],
  ["1 – 5", "steps, transcript, graph, input and output, checkpoints"],
  ["Esc", "leave a field, close this"],
  ["?", "this help"],
];

/** The keys of the page, in a dialog. */
export function Help({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} className={styles.help} onClose={close} aria-labelledby="help-title">
      <h2 id="help-title">Keyboard</h2>
      <dl>
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split("  ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
