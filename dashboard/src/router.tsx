/** Which address shows which view. Views are loaded when they are first visited. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { readCommon } from "./search";
import { NotFound } from "./views/NotFound";
import { Shell } from "./views/Shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, validateSearch: readCommon });

const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./views/Overview"), "Overview"),
});

const agent = createRoute({
  getParentRoute: () => root,
  path: "/agents/$agentId",
  component: lazyRouteComponent(() => import("./views/Agent"), "Agent"),
});

export const router = createRouter({
  routeTree: root.addChildren([overview, agent]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
