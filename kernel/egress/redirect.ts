/**
 * Where a redirect leads, and what may go along.
 *
 * @module
 */
import type { Header } from "./http1.ts";

/** Headers that speak for somebody, and never follow to another origin. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "cookie2",
  "proxy-authorization",
  "api-key",
  "x-api-key",
  "x-auth-token",
  "x-access-token",
  "x-csrf-token",
  "x-goog-api-key",
  "private-token",
]);

/** Headers about a body, which go when the body goes. */
const ABOUT_BODY: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-type",
  "digest",
  "expect",
  "last-modified",
]);

/** Whether a status asks to go somewhere else in a way that can be followed. */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** The method of the next hop (RFC 9110, 15.4). The body goes where the method changes. */
export function redirectMethod(status: number, method: string): string {
  if (status === 303) return method === "HEAD" ? "HEAD" : "GET";
  return (status === 301 || status === 302) && method === "POST" ? "GET" : method;
}

/**
 * The headers of the next hop.
 *
 * @param headers Those of this hop, with placeholders and not with secrets.
 * @param change Whether the origin or the method changes, and which headers (lower case) carried a secret.
 */
export function redirectHeaders(
  headers: readonly Header[],
  change: { readonly origin: boolean; readonly method: boolean; readonly secret: ReadonlySet<string> },
): Header[] {
  return headers.filter(([key]) => {
    const name = key.toLowerCase();
    if (change.origin && (CREDENTIALS.has(name) || change.secret.has(name))) return false;
    return !(change.method && ABOUT_BODY.has(name));
  });
}
