/** The scope that the URL asks for: its window in time, environments and versions. */
import { useSearch } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Scope } from "../api/queries";
import { MINUTE_MS, useMinute } from "../time/minute";
import { DEFAULT_RANGE, windowOf } from "../time/window";

/** A window up to now moves on with the minute, and with it what is asked of the API. */
export function useScope(): Scope & { range: string } {
  const search = useSearch({ from: "__root__" });
  const minute = useMinute();
  const range = search.range ?? DEFAULT_RANGE;
  return useMemo(
    () => ({
      range,
      // To the end of the minute that goes on, so that what was just sent is in it.
      window: windowOf(range, (minute + 1) * MINUTE_MS),
      environment: search.environment ?? [],
      version: search.version ?? [],
    }),
    [range, minute, search.environment, search.version],
  );
}
