/** The typed client of the HTTP API; its types come from the API's own OpenAPI document (`schema.d.ts`). */
import createClient from "openapi-fetch";

import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

export const client = createClient<paths>({ baseUrl: window.location.origin });

/** An answer that is none: what the API says is wrong, and how to mend it. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, problem: Partial<Problem> | undefined) {
    super(problem?.detail ?? `The API answered with status ${status}.`);
    this.status = status;
    this.code = problem?.code ?? "unknown";
  }
}

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/** The data of an answer; throws `ApiError` where it is an error. */
export function dataOf<Data>(answer: Answer<Data>): Data {
  if (answer.data === undefined) throw new ApiError(answer.response.status, asProblem(answer.error));
  return answer.data;
}

function asProblem(error: unknown): Partial<Problem> | undefined {
  return typeof error === "object" && error !== null ? error : undefined;
}
