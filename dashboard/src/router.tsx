/** Which address shows which view. Views are loaded when they are first visited. */
import { noop } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { queryClient } from "./api/cache";
import { runQuery, timelineQuery } from "./api/runQueries";
import { readCommon, readCompare, readConnect, readFigures, readIngest, readPatterns, readRun, readRuns } from "./search";
import { NotFound } from "./views/NotFound";
import { Shell } from "./views/Shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, validateSearch: readCommon });

const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: readFigures,
  component: lazyRouteComponent(() => import("./views/Overview"), "Overview"),
});

const agent = createRoute({
  getParentRoute: () => root,
  path: "/agents/$agentId",
  component: lazyRouteComponent(() => import("./views/agent/AgentFrame"), "AgentFrame"),
});

const agentOverview = createRoute({
  getParentRoute: () => agent,
  path: "/",
  validateSearch: readFigures,
  component: lazyRouteComponent(() => import("./views/Agent"), "Agent"),
});

const patterns = createRoute({
  getParentRoute: () => agent,
  path: "/patterns",
  validateSearch: readPatterns,
  component: lazyRouteComponent(() => import("./views/patterns/Patterns"), "Patterns"),
});

const compare = createRoute({
  getParentRoute: () => agent,
  path: "/compare",
  validateSearch: readCompare,
  component: lazyRouteComponent(() => import("./views/compare/Compare"), "Compare"),
});

const runs = createRoute({
  getParentRoute: () => root,
  path: "/executions",
  validateSearch: readRuns,
  component: lazyRouteComponent(() => import("./views/runs/Runs"), "Runs"),
});

const run = createRoute({
  getParentRoute: () => root,
  path: "/executions/$executionId",
  validateSearch: readRun,
  // Asked while the view's script is on its way; what goes wrong is told by the view, which asks again.
  loader: ({ params: { executionId } }) => {
    queryClient.query(runQuery(executionId)).catch(noop);
    queryClient.query(timelineQuery(executionId)).catch(noop);
  },
  component: lazyRouteComponent(() => import("./views/run/Run"), "Run"),
});

const live = createRoute({
  getParentRoute: () => root,
  path: "/live",
  component: lazyRouteComponent(() => import("./views/Live"), "Live"),
});

const connect = createRoute({
  getParentRoute: () => root,
  path: "/connect",
  validateSearch: readConnect,
  component: lazyRouteComponent(() => import("./views/connect/Connect"), "Connect"),
});

const ingest = createRoute({
  getParentRoute: () => root,
  path: "/ingest",
  validateSearch: readIngest,
  component: lazyRouteComponent(() => import("./views/ingest/Ingest"), "Ingest"),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("./views/settings/Settings"), "Settings"),
});

export const router = createRouter({
  routeTree: root.addChildren([overview, agent.addChildren([agentOverview, patterns, compare]), runs, run, live, connect, ingest, settings]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
