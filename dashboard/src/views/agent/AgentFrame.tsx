import { Link, Outlet, getRouteApi } from "@tanstack/react-router";

import { onlyCommon } from "../../search";
import page from "../Page.module.css";
import styles from "./AgentFrame.module.css";

const route = getRouteApi("/agents/$agentId");

/** What all views of an agent share: its name, and the way from one to the other. */
export function AgentFrame() {
  const { agentId } = route.useParams();
  const active = { className: styles.active };
  return (
    <div className={page["page"]}>
      <header className={styles.header}>
        <h1>{agentId}</h1>
        <nav aria-label="Of this agent" className={styles.tabs}>
          <Link to="/agents/$agentId" params={{ agentId }} search={onlyCommon} activeProps={active} activeOptions={{ exact: true, includeSearch: false }}>
            Overview
          </Link>
          <Link to="/agents/$agentId/patterns" params={{ agentId }} search={onlyCommon} activeProps={active} activeOptions={{ includeSearch: false }}>
            Patterns
          </Link>
          <Link to="/agents/$agentId/compare" params={{ agentId }} search={onlyCommon} activeProps={active} activeOptions={{ includeSearch: false }}>
            Compare
          </Link>
          <Link to="/executions" search={(search) => ({ ...onlyCommon(search), agent: [agentId] })}>
            Runs
          </Link>
          <Link to="/executions" search={(search) => ({ ...onlyCommon(search), agent: [agentId], status: ["failed", "timeout"] })}>
            Failed runs
          </Link>
        </nav>
      </header>
      <Outlet />
    </div>
  );
}
