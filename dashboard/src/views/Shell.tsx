import { Link, Outlet } from "@tanstack/react-router";

import { RangePicker } from "../ui/RangePicker";
import { ThemeSwitch } from "../ui/ThemeSwitch";
import styles from "./Shell.module.css";

/** What surrounds every view: where one can go, the time that is looked at, the theme. */
export function Shell() {
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to the content
      </a>
      <header className={styles.header}>
        <Link to="/" search={keepCommon} className={styles.brand}>
          <img src="/icon.svg" alt="" width={24} height={24} />
          Stepwell
        </Link>
        <nav aria-label="Main">
          <Link to="/" search={keepCommon} activeProps={{ className: styles.active }} activeOptions={{ exact: true }}>
            Agents
          </Link>
        </nav>
        <div className={styles.tools}>
          <RangePicker />
          <ThemeSwitch />
        </div>
      </header>
      <main id="main" className={styles.main} tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

function keepCommon<Search>(search: Search): Search {
  return search;
}
