import styles from "./Choice.module.css";

interface Props<Value extends string> {
  label: string;
  choices: readonly { value: Value; label: string }[];
  value: Value;
  choose: (value: Value) => void;
}

/** One of a few, all of them in sight. */
export function Choice<Value extends string>({ label, choices, value, choose }: Props<Value>) {
  return (
    <div className={styles.choice} role="group" aria-label={label}>
      {choices.map((each) => (
        <button
          key={each.value}
          type="button"
          aria-pressed={each.value === value}
          onClick={() => {
            choose(each.value);
          }}
        >
          {each.label}
        </button>
      ))}
    </div>
  );
}
