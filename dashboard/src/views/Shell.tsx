import { Link, Outlet } from "@tanstack/react-router";

import { onlyCommon } from "../search";
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
        <Link to="/" search={onlyCommon} className={styles.brand}>
          <img src="/icon.svg" alt="" width={24} height={24} />
          Stepwell
        </Link>
        <nav aria-label="Main">
          <Link to="/" search={onlyCommon} activeProps={{ className: styles.active }} activeOptions={{ exact: true }}>
            Agents
          </Link>
          <Link to="/executions" search={onlyCommon} activeProps={{ className: styles.active }}>
            Runs
          </Link>
          <Link to="/live" search={onlyCommon} activeProps={{ className: styles.active }}>
            Live
          </Link>
          <Link to="/ingest" search={onlyCommon} activeProps={{ className: styles.active }}>
            Ingest
          </Link>
          <Link to="/connect" search={onlyCommon} activeProps={{ className: styles.active }}>
            Connect
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
