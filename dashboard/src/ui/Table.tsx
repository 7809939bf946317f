import type { ReactNode } from "react";

import styles from "./Table.module.css";

export interface Column<Row> {
  id: string;
  label: string;
  /** Told on hovering over the head, for what the label is too short to say. */
  hint?: string;
  /** Figures stand at the right, so that their digits line up. */
  isNumber?: boolean;
  /** A longer text that may be broken anywhere. */
  isName?: boolean;
  /** Whether the head sorts by it. */
  isSortable?: boolean;
  show: (row: Row) => ReactNode;
}

export interface Sorting {
  id: string;
  isDescending: boolean;
  by: (id: string) => void;
}

interface Props<Row> {
  /** What the table is of, for those who do not see its surroundings. */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  sorting?: Sorting;
}

/** Rows under heads; those that can be sorted by are buttons. Wide ones scroll, by keyboard too. */
export function Table<Row>({ label, columns, rows, keyOf, sorting }: Props<Row>) {
  return (
    <div className={styles.scroller} role="group" aria-label={label} tabIndex={0}>
      <table className={styles.table} aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.id} column={column} sorting={sorting} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.id} className={classOf(column)}>
                  {column.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Head<Row>({ column, sorting }: { column: Column<Row>; sorting: Sorting | undefined }) {
  const isSorted = sorting?.id === column.id;
  const order = isSorted ? (sorting.isDescending ? "descending" : "ascending") : undefined;
  return (
    <th scope="col" className={classOf(column)} title={column.hint} aria-sort={order}>
      {sorting !== undefined && column.isSortable === true ? (
        <button
          type="button"
          onClick={() => {
            sorting.by(column.id);
          }}
        >
          {column.label}
          {isSorted && <span aria-hidden="true">{sorting.isDescending ? " ↓" : " ↑"}</span>}
        </button>
      ) : (
        column.label
      )}
    </th>
  );
}

function classOf<Row>(column: Column<Row>): string | undefined {
  if (column.isNumber === true) return styles.number;
  return column.isName === true ? styles.name : undefined;
}
