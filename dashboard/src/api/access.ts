/** Who is signed in, and with which keys agents report. */
import { queryOptions } from "@tanstack/react-query";

import { type Schemas, client, dataOf } from "./client";

export type Session = Schemas["Session"];
export type Scope = Schemas["Scope"];
export const SESSION_KEY = ["session"];

/** Answers everyone, signed in or not. */
export function sessionQuery() {
  return queryOptions({
    queryKey: SESSION_KEY,
    queryFn: async ({ signal }) => dataOf(await client.GET("/api/v1/session", { signal })),
    staleTime: 60_000,
  });
}

export async function signIn(key: string): Promise<Session> {
  return dataOf(await client.POST("/api/v1/session", { body: { key } }));
}

export async function signOut(): Promise<Session> {
  return dataOf(await client.DELETE("/api/v1/session"));
}

export async function changeWorkspace(workspaceId: string): Promise<Session> {
  return dataOf(await client.PATCH("/api/v1/session", { body: { workspace_id: workspaceId } }));
}

export function keysQuery() {
  return queryOptions({
    queryKey: ["keys"],
    queryFn: async ({ signal }) => dataOf(await client.GET("/api/v1/keys", { signal })),
  });
}

export async function makeKey(scopes: Scope[], expiresAt: string | null) {
  return dataOf(await client.POST("/api/v1/keys", { body: { scopes, expires_at: expiresAt, workspace_id: null } }));
}

export async function revokeKey(keyId: string) {
  return dataOf(await client.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: keyId } } }));
}

/** Who changed what, the newest first. */
export function auditQuery() {
  return queryOptions({
    queryKey: ["audit"],
    queryFn: async ({ signal }) => dataOf(await client.GET("/api/v1/audit", { params: { query: { limit: 50 } }, signal })),
  });
}

export function retentionQuery() {
  return queryOptions({
    queryKey: ["retention"],
    queryFn: async ({ signal }) => dataOf(await client.GET("/api/v1/retention", { signal })),
  });
}
