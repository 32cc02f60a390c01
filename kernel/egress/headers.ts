/**
 * Which header lines belong to one connection and which travel on.
 *
 * @module
 */
import type { Header } from "./http1.ts";

/** Header names that mean something between two neighbours only (RFC 9110, 7.6.1), and those of proxies. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** Names that a Connection header may nominate without losing them: dropping these would change the message. */
const KEPT: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "content-type",
  "authorization",
  "cookie",
]);

/** The value of a header, null where it is absent; repeated lines joined by ", ". `name` in lower case. */
export function headerOf(headers: readonly Header[], name: string): string | null {
  let found: string | null = null;
  for (const [key, value] of headers) {
    if (key.toLowerCase() === name) found = found === null ? value : `${found}, ${value}`;
  }
  return found;
}

/** The comma-separated words of a header, in lower case. */
export function wordsOf(headers: readonly Header[], name: string): string[] {
  const value = headerOf(headers, name);
  return value === null
    ? []
    : value.toLowerCase().split(",").map((word) => word.trim()).filter((word) => word !== "");
}

/**
 * The lines that travel on: without hop-by-hop headers, those that Connection nominates, and `also` (lower case).
 */
export function endToEnd(headers: readonly Header[], also: readonly string[] = []): Header[] {
  const nominated = wordsOf(headers, "connection");
  return headers.filter(([key]) => {
    const name = key.toLowerCase();
    return !HOP_BY_HOP.has(name) && !also.includes(name) && !(nominated.includes(name) && !KEPT.has(name));
  });
}

/** Whether the sender of this head will use the connection again. */
export function keepsAlive(headers: readonly Header[], minor: 0 | 1): boolean {
  const words = [...wordsOf(headers, "connection"), ...wordsOf(headers, "proxy-connection")];
  return minor === 1 ? !words.includes("close") : words.includes("keep-alive") && !words.includes("close");
}

/** Header lines as text, each with its CR LF. The values must have been checked. */
export function formatHeaders(headers: readonly Header[]): string {
  let text = "";
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  return text;
}

/**
 * Headers as an object without a prototype, names in lower case: the shape of JSON answers. Repetitions are joined
 * by ", ", and those of `set-cookie` by a line feed, since a cookie may contain a comma.
 */
export function headerObject(headers: readonly Header[]): Record<string, string> {
  const object: Record<string, string> = Object.create(null);
  for (const [key, value] of headers) {
    const name = key.toLowerCase();
    const before = object[name];
    object[name] = before === undefined ? value : `${before}${name === "set-cookie" ? "\n" : ", "}${value}`;
  }
  return object;
}
