/**
 * The original's three sentences about a refused request, chosen by what is missing.
 *
 * @module
 */
import type { Need } from "../../../permissions/mod.ts";
import type { Principal } from "../../principals.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] as const;

/**
 * Says what kind of rule is missing.
 *
 * @param now Epoch milliseconds.
 */
export function phraseOf(need: Need, caller: Principal, now: number): string {
  const { authority } = caller;
  if (!authority.holds("net")) return "HTTP not allowed";
  const may = (method: string): boolean => authority.explain({ ...need, method }, now).allowed;
  if (!may(need.method ?? "GET") && METHODS.some(may)) return "HTTP method not allowed";
  return `domain not in whitelist: ${need.url?.host ?? ""}`;
}
