import { type ReactNode, useDeferredValue, useId, useMemo, useState } from "react";

import { Copy } from "./Copy";
import styles from "./Json.module.css";
import { type Entry, countMatches, entriesOf, isMatch, parsed, textOf } from "./json";

/** More is shown on request: a browser should not lay out megabytes that nobody asked for. */
const SHOWN = 20_000;
const ENTRIES_SHOWN = 100;
const SEARCHED_FROM = 400;
/** What is short is unfolded as a whole. */
const SHORT = 3_000;
const [DEEP, SHALLOW] = [20, 2];

interface Props {
  value: unknown;
  /** What it is, for those who do not see it. */
  label: string;
  /** A heading above it. */
  title?: string;
}

/** JSON as a tree that can be folded, searched and copied; nothing in it is ever markup. */
export function Json({ value, label, title }: Props) {
  const [words, setWords] = useState("");
  const search = useDeferredValue(words.trim().toLowerCase());
  const shown = useMemo(() => parsed(value), [value]);
  const text = useMemo(() => (value === undefined ? "" : textOf(value)), [value]);
  const matches = useMemo(() => (search === "" ? 0 : countMatches(shown, search)), [shown, search]);
  const heading = title !== undefined && <h3>{title}</h3>;
  if (value === null || value === undefined) {
    return (
      <div className={styles.viewer}>
        {heading}
        <p className={styles.nothing}>Nothing was recorded</p>
      </div>
    );
  }
  return (
    <div className={styles.viewer}>
      <div className={styles.tools}>
        {heading}
        {text.length > SEARCHED_FROM && (
          <label>
            <span className="visually-hidden">Search in {label}</span>
            <input
              type="search"
              placeholder="Search"
              value={words}
              onChange={(event) => {
                setWords(event.target.value);
              }}
            />
          </label>
        )}
        {search !== "" && <span role="status">{matches} found</span>}
        <Copy text={text} label="Copy" />
      </div>
      <div className={styles.json} tabIndex={0} role="region" aria-label={label}>
        {typeof shown === "object" && shown !== null ? (
          <Branch value={shown} search={search} isOpen={true} openTo={text.length <= SHORT ? DEEP : SHALLOW} />
        ) : (
          <Text text={text} search={search} />
        )}
      </div>
    </div>
  );
}

interface BranchProps {
  value: object;
  search: string;
  isOpen: boolean;
  /** How many more levels are unfolded. */
  openTo: number;
}

function Branch({ value, search, isOpen, openTo }: BranchProps) {
  const [isAll, setAll] = useState(false);
  const id = useId();
  const [isUnfolded, setUnfolded] = useState<boolean | null>(null);
  const entries = entriesOf(value);
  const open = isUnfolded ?? (isOpen || (search !== "" && isMatch(value, search)));
  const [first, last] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) return <span className={styles.mark}>{`${first}${last}`}</span>;
  return (
    <>
      <button
        type="button"
        className={styles.fold}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => {
          setUnfolded(!open);
        }}
      >
        {open ? first : `${first} ${entries.length} ${last}`}
      </button>
      {open && (
        <>
          <ul id={id} className={styles.entries}>
            {(isAll ? entries : entries.slice(0, ENTRIES_SHOWN)).map((entry) => (
              <li key={entry.key}>
                <Leaf entry={entry} search={search} openTo={entries.length <= 20 ? openTo - 1 : 0} />
              </li>
            ))}
          </ul>
          {!isAll && entries.length > ENTRIES_SHOWN && (
            <button
              type="button"
              className={styles.more}
              onClick={() => {
                setAll(true);
              }}
            >
              {entries.length - ENTRIES_SHOWN} more
            </button>
          )}
          <span className={styles.mark}>{last}</span>
        </>
      )}
    </>
  );
}

function Leaf({ entry, search, openTo }: { entry: Entry; search: string; openTo: number }) {
  const { key, isNamed, value } = entry;
  return (
    <>
      {isNamed && (
        <span className={styles.key}>
          <Marked text={key} search={search} />:{" "}
        </span>
      )}
      {typeof value === "object" && value !== null ? (
        <Branch value={value} search={search} isOpen={openTo > 0} openTo={openTo} />
      ) : typeof value === "string" ? (
        <span className={styles.text}>
          <Text text={value} search={search} />
        </span>
      ) : (
        <span className={styles.other}>
          <Marked text={String(value)} search={search} />
        </span>
      )}
    </>
  );
}

/** A text of any length. */
export function Text({ text, search = "" }: { text: string; search?: string }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && text.length > SHOWN;
  return (
    <>
      <Marked text={isCut ? text.slice(0, SHOWN) : text} search={search} />
      {isCut && (
        <button
          type="button"
          className={styles.more}
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

/** A text in which what is looked for is marked. */
function Marked({ text, search }: { text: string; search: string }): ReactNode {
  if (search === "") return text;
  const lower = text.toLowerCase();
  // A few letters change their length in lower case; then nothing is marked rather than the wrong place.
  if (lower.length !== text.length) return text;
  const pieces: ReactNode[] = [];
  let from = 0;
  for (let at = lower.indexOf(search); at >= 0; at = lower.indexOf(search, from)) {
    pieces.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + search.length)}</mark>);
    from = at + search.length;
  }
  pieces.push(text.slice(from));
  return pieces;
}
