import { type ReactNode, useId } from "react";

import styles from "./Panel.module.css";

interface Props {
  title: string;
  /** A word on what is shown, beside the title. */
  note?: string;
  /** What changes the view of this part alone. */
  tools?: ReactNode;
  children: ReactNode;
}

/** A titled part of a page. */
export function Panel({ title, note, tools, children }: Props) {
  const id = useId();
  return (
    <section className={styles.panel} aria-labelledby={id}>
      <header className={styles.header}>
        <h2 id={id}>{title}</h2>
        {note !== undefined && <span className={styles.note}>{note}</span>}
        {tools !== undefined && <div className={styles.tools}>{tools}</div>}
      </header>
      {children}
    </section>
  );
}
