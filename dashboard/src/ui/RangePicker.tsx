import { useNavigate } from "@tanstack/react-router";
import { Popover } from "radix-ui";
import { type SubmitEvent, useState } from "react";

import { localTime, timeMs } from "../time/local";
import { DEFAULT_RANGE, PRESETS, labelOf, rangeOf } from "../time/window";
import styles from "./RangePicker.module.css";
import { useScope } from "./scope";

/** Chooses the time that the views are about: a preset up to now, or two times of one's own. */
export function RangePicker() {
  const { range, window } = useScope();
  const navigate = useNavigate();
  const [isOpen, setOpen] = useState(false);

  function choose(chosen: string) {
    setOpen(false);
    void navigate({
      to: ".",
      search: ({ range: _replaced, ...others }) => (chosen === DEFAULT_RANGE ? others : { ...others, range: chosen }),
    });
  }

  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger className={styles.trigger}>
        <span className="visually-hidden">Time: </span>
        {labelOf(range)}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={styles.content} align="end" sideOffset={6} aria-label="Time">
          <ul className={styles.presets}>
            {PRESETS.map((preset) => (
              <li key={preset.range}>
                <button
                  type="button"
                  aria-pressed={preset.range === range}
                  onClick={() => {
                    choose(preset.range);
                  }}
                >
                  {preset.label}
                </button>
              </li>
            ))}
          </ul>
          <CustomTimes from={window.from} to={window.to} choose={choose} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function CustomTimes({ from, to, choose }: { from: string; to: string; choose: (range: string) => void }) {
  const [problem, setProblem] = useState<string | null>(null);

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [startMs, stopMs] = [timeMs(form.get("from")), timeMs(form.get("to"))];
    if (startMs === null || stopMs === null) setProblem("Give both times.");
    else if (startMs >= stopMs) setProblem("The end has to come after the start.");
    else choose(rangeOf(startMs, stopMs));
  }

  return (
    <form className={styles.custom} onSubmit={submit}>
      <label>
        From
        <input type="datetime-local" name="from" defaultValue={localTime(from)} />
      </label>
      <label>
        To
        <input type="datetime-local" name="to" defaultValue={localTime(to)} />
      </label>
      {problem !== null && <p role="alert">{problem}</p>}
      <button type="submit">Show this time</button>
    </form>
  );
}
