/** Where answers are kept. An error that the API explains is shown at once; only a failed connection is tried again. */
import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "./client";

const TRIES = 2;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < TRIES && !(error instanceof ApiError && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
});
