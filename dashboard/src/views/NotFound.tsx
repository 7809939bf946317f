import { Link } from "@tanstack/react-router";

import { Notice } from "../ui/Notice";

/** For an address that is none of ours. */
export function NotFound() {
  return (
    <Notice title="There is no such page">
      <Link to="/">Go to the overview of all agents</Link>
    </Notice>
  );
}
