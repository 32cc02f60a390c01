/**
 * What may be a key, a value, a time to live and a scope.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "../limits.ts";
import { type Scope, SCOPES } from "./namespaces.ts";

/** A hundred years; more is for ever, and asked for by leaving the time out. */
const MAX_TTL_SECONDS = 100 * 365.25 * 86_400;

/** Length in UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}

/** @throws {SyscallError} `bad_request` or `limit`. */
export function checkKey(key: string): void {
  if (key === "") throw new SyscallError("bad_request", "key is required");
  if (
    key.length > LIMITS.keyBytes || (key.length * 3 > LIMITS.keyBytes && utf8Length(key) > LIMITS.keyBytes)
  ) {
    throw new SyscallError("limit", `Cannot use a key of more than ${LIMITS.keyBytes} bytes: shorten it`);
  }
  // Both would be stored as something else, and one key would then be another one too.
  if (!key.isWellFormed()) {
    throw new SyscallError("bad_request", "Cannot use the key: it holds half a surrogate pair");
  }
  if (key.includes("\0")) {
    throw new SyscallError("bad_request", "Cannot use the key: it holds a NUL character");
  }
}

/** A value as it is stored. @throws {SyscallError} `limit`. */
export function valueText(value: unknown): { text: string; bytes: number } {
  const text = JSON.stringify(value) ?? "null";
  const bytes = utf8Length(text);
  if (bytes > LIMITS.valueBytes) {
    throw new SyscallError(
      "limit",
      `Cannot store a value of ${bytes} bytes: the limit is ${LIMITS.valueBytes}, put it in a file or split it`,
    );
  }
  return { text, bytes };
}

/** The moment it expires, in epoch milliseconds, or null. @throws {SyscallError} `bad_request`. */
export function expiryOf(ttl: number | undefined, now: number): number | null {
  if (ttl === undefined) return null;
  if (ttl > 0 && ttl <= MAX_TTL_SECONDS) return now + ttl * 1000;
  throw new SyscallError(
    "bad_request",
    `Cannot use a ttl of ${ttl} seconds: it is more than 0 and at most ${MAX_TTL_SECONDS}, or left out for ever`,
  );
}

/** @throws {SyscallError} `bad_request`, or `unavailable` for the scope of worlds. */
export function scopeOf(scope: string): Scope {
  if ((SCOPES as readonly string[]).includes(scope)) return scope as Scope;
  if (scope === "world") {
    throw new SyscallError(
      "unavailable",
      'Cannot use the scope "world": this agent is in no world, join one first',
    );
  }
  throw new SyscallError(
    "bad_request",
    `Cannot use the scope ${JSON.stringify(scope)}: there are ${SCOPES.join(", ")}`,
  );
}
