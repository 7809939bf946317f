import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { Suspense, lazy } from "react";

import { sessionQuery } from "../api/access";
import { onlyCommon } from "../search";
import { RangePicker } from "../ui/RangePicker";
import { ThemeSwitch } from "../ui/ThemeSwitch";
import { Account } from "./Account";
import styles from "./Shell.module.css";

const SignIn = lazy(async () => ({ default: (await import("./SignIn")).SignIn }));

/** What surrounds every view: where one can go, the time that is looked at, the theme. Who has to sign in does it here. */
export function Shell() {
  const session = useQuery(sessionQuery()).data;
  const isOutside = session?.auth_required === true && !session.signed_in;
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
        <nav aria-label="Main" hidden={isOutside}>
          <Link to="/" search={onlyCommon} activeProps={{ className: styles.active }} activeOptions={{ exact: true, includeSearch: false }}>
            Agents
          </Link>
          <Link to="/executions" search={onlyCommon} activeProps={{ className: styles.active }} activeOptions={{ includeSearch: false }}>
            Runs
          </Link>
          <Link to="/live" search={onlyCommon} activeProps={{ className: styles.active }} activeOptions={{ includeSearch: false }}>
            Live
          </Link>
          <Link to="/ingest" search={onlyCommon} activeProps={{ className: styles.active }} activeOptions={{ includeSearch: false }}>
            Ingest
          </Link>
          <Link to="/connect" search={onlyCommon} activeProps={{ className: styles.active }} activeOptions={{ includeSearch: false }}>
            Connect
          </Link>
          <Link to="/settings" search={onlyCommon} activeProps={{ className: styles.active }} activeOptions={{ includeSearch: false }}>
            Settings
          </Link>
        </nav>
        <div className={styles.tools}>
          {!isOutside && <RangePicker />}
          <ThemeSwitch />
          {session?.signed_in === true && <Account session={session} />}
        </div>
      </header>
      <main id="main" className={styles.main} tabIndex={-1}>
        {isOutside ? (
          <Suspense>
            <SignIn />
          </Suspense>
        ) : (
          <Outlet />
        )}
      </main>
    </div>
  );
}
