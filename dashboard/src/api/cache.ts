/** Where answers are kept. An error that the API explains is shown at once; only a failed connection is tried again. */
import { QueryCache, QueryClient } from "@tanstack/react-query";

import { ApiError } from "./client";

const TRIES = 2;

export const queryClient: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // A session that is over: whether to sign in again is asked of the API.
    onError: (error) => {
      if (error instanceof ApiError && error.status === 401) void queryClient.invalidateQueries({ queryKey: ["session"] });
    },
  }),
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < TRIES && !(error instanceof ApiError && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
});
