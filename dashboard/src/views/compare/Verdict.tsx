import { type Difference, type Verdict as Word, verdictOf } from "./figures";
import styles from "./Verdict.module.css";

const WORDS: Readonly<Record<Word, string>> = {
  better: "▲ better",
  worse: "▼ worse",
  differs: "◆ differs",
  "likely better": "△ likely better",
  "likely worse": "▽ likely worse",
  even: "no clear difference",
  "too few": "too few runs to tell",
  untested: "",
};

/** Whether the difference is one, in words; the p-value on hovering. */
export function Verdict({ difference }: { difference: Difference }) {
  const word = verdictOf(difference);
  const { p_value: p, test } = difference;
  const tested = p === null ? "by its 95 % interval" : `${test ?? ""}, p = ${p.toPrecision(2)} after correction`;
  return (
    <span className={styles.verdict} data-verdict={word} title={tested}>
      {WORDS[word]}
    </span>
  );
}
