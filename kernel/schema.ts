/**
 * From bytes to checked arguments: the one place where requests are read.
 *
 * @module
 */
import type { z } from "zod";
import { decodeBinary, SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "./limits.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });
const REQUIRED = new Set<string>();

/**
 * The message of a missing field, sent as it is because the original's clients know it; any other problem with the
 * field keeps zod's own message.
 *
 * @example
 * ```ts ignore
 * path: z.string({ error: required("path required") })
 * ```
 */
export function required(message: string): (issue: { input?: unknown }) => string | undefined {
  REQUIRED.add(message);
  return (issue) => issue.input === undefined ? message : undefined;
}

/** A request as it came: its JSON, and its raw bytes in protocol 2. */
export interface RawRequest {
  readonly json: unknown;
  readonly tail: Uint8Array | null;
}

/**
 * Reads a payload. Nothing at all counts as `{}`.
 *
 * @throws {SyscallError} `bad_request` when it is no UTF-8, no JSON, or nested too deeply.
 */
export function readRequest(payload: Uint8Array, binary: boolean): RawRequest {
  if (payload.byteLength === 0) return { json: {}, tail: null };
  try {
    if (binary) {
      const { json, tail } = decodeBinary(payload);
      if (tail.byteLength < payload.byteLength) {
        checkDepth(payload.subarray(4, payload.byteLength - tail.byteLength));
      }
      return { json, tail };
    }
    checkDepth(payload);
    return { json: JSON.parse(decoder.decode(payload)), tail: null };
  } catch (error) {
    if (error instanceof SyscallError) throw error;
    // The parser's own text may quote the bad bytes; it is JSON-safe because a JavaScript string always is.
    const reason = error instanceof TypeError ? "it is not valid UTF-8" : (error as Error).message;
    throw new SyscallError("bad_request", `invalid request: Cannot read the payload as JSON: ${reason}`);
  }
}

/** Counts brackets without parsing; brackets inside strings do not count. */
function checkDepth(payload: Uint8Array): void {
  if (payload.byteLength <= LIMITS.jsonDepth) return;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < payload.byteLength; i++) {
    const byte = payload[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > LIMITS.jsonDepth) {
        throw new SyscallError(
          "bad_request",
          `invalid request: Cannot read the payload: it is nested deeper than ${LIMITS.jsonDepth} levels`,
        );
      }
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
}

/**
 * Checks arguments against a row's schema.
 *
 * @throws {SyscallError} `bad_request`, with every problem named.
 */
export function readParams<P extends z.ZodType>(schema: P, json: unknown): z.output<P> {
  const parsed = schema.safeParse(withoutNulls(json));
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues[0]!;
  if (REQUIRED.has(first.message)) throw new SyscallError("bad_request", first.message);
  const problems = parsed.error.issues.slice(0, 5).map((issue) => {
    const where = issue.path.length > 0
      ? `Cannot use "${issue.path.join(".")}": `
      : "Cannot use the request: ";
    return where + issue.message;
  });
  throw new SyscallError("bad_request", `invalid request: ${problems.join("; ")}`);
}

/** `null` counts as absent: at the top, and inside the objects of known fields (`limits`, `config`). */
function withoutNulls(json: unknown): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  for (const [key, value] of Object.entries(json)) {
    if (value === null) return rebuilt(json as Record<string, unknown>);
    if (key === "limits" && typeof value === "object") return rebuilt(json as Record<string, unknown>);
  }
  return json;
}

function rebuilt(json: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(json).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.map(([key, value]) => {
    return key === "limits" ? [key, withoutNulls(value)] : [key, value];
  }));
}
