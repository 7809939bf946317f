import { useState } from "react";

import styles from "./Select.module.css";
import { THEMES, chooseTheme, chosenTheme, themeOf } from "./theme";

/** Chooses between light, dark and what the system says. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState(chosenTheme);
  return (
    <label>
      <span className="visually-hidden">Theme</span>
      <select
        className={styles.select}
        value={theme}
        onChange={(event) => {
          const chosen = themeOf(event.target.value);
          chooseTheme(chosen);
          setTheme(chosen);
        }}
      >
        <option value={THEMES[0]}>System</option>
        <option value={THEMES[1]}>Light</option>
        <option value={THEMES[2]}>Dark</option>
      </select>
    </label>
  );
}
