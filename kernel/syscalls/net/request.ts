/**
 * What the rows that make HTTP requests share: their arguments, the plan made of them, and the words of failures.
 *
 * @module
 */
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import {
  EgressError,
  headerObject,
  HTTP_LIMITS,
  type HttpStream,
  type Plan,
  planRequest,
} from "../../egress/mod.ts";
import { required } from "../../schema.ts";
import type { Context } from "../../syscall.ts";
import { traceparentField } from "../../telemetry/trace_context.ts";
import { phraseOf } from "./phrases.ts";

/** What is asked for. */
export const requestFields = {
  url: z.string({ error: required("URL required") }).min(1, "URL required")
    .describe("An absolute http or https URL."),
  method: z.string().default("GET").describe("Sent as given."),
  headers: z.record(z.string(), z.string()).default({}).describe(
    "Sent as given; placeholders of secrets are replaced where a rule allows it.",
  ),
  body: z.string().optional().describe("Sent as UTF-8, but not with GET and HEAD."),
  body_base64: z.base64().optional().describe("Instead of `body`, for bytes."),
  timeout: z.number().min(0).max(HTTP_LIMITS.timeoutMostMs / 1000).default(HTTP_LIMITS.timeoutMs / 1000)
    .describe("Seconds for everything, body included; 0 is the most."),
  traceparent: traceparentField("The trace it belongs to; sent as a header unless `headers` has one."),
  redirects: z.int().min(0).max(HTTP_LIMITS.redirectsMost).default(0).describe(
    "How many redirects to follow, each decided about anew. 0 gives the redirect itself.",
  ),
};

/** What is told of an answer before its body. */
export const headFields = {
  status_code: z.int().describe("As the server said, 200 to 599."),
  headers: z.record(z.string(), z.string()).describe(
    "Names in lower case; repetitions are joined by a comma, those of set-cookie by a line feed.",
  ),
  url: z.string().describe("The URL that answered, after redirects."),
  redirected: z.int().describe("Redirects that were followed."),
};

const requestParams = z.object(requestFields);

/** The part of the arguments that makes the request. */
export type RequestParams = z.output<typeof requestParams>;

/** What was checked of a request, kept from the first look at it to its execution: it is asked about once. */
const plans = new WeakMap<RequestParams, Plan>();

/**
 * The plan of a request; the same each time for the same arguments.
 *
 * @param maxBytes The longest body to accept.
 * @throws {SyscallError} `bad_request` or `limit`.
 */
export function planOf(params: RequestParams, tail: Uint8Array | null, maxBytes: number): Plan {
  const known = plans.get(params);
  if (known !== undefined) {
    return tail === null ? known : { ...known, hop: { ...known.hop, body: bodyOf(params, tail) } };
  }
  const { url, method, headers, timeout, redirects } = params;
  const body = bodyOf(params, tail);
  try {
    const plan = planRequest({
      url,
      method,
      headers,
      ...(body === null ? {} : { body }),
      timeoutMs: Math.ceil(timeout * 1000) || HTTP_LIMITS.timeoutMostMs,
      redirects,
      maxBytes,
    });
    plans.set(params, plan);
    return plan;
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    throw new SyscallError(error.code, `invalid request: ${error.message}`, { cause: error });
  }
}

/** The plan with the header that carries the call's trace on, unless the caller has written one. */
export function traced(plan: Plan, traceparent: string | null): Plan {
  const { hop } = plan;
  if (!traceparent || hop.headers.some(([name]) => name.toLowerCase() === "traceparent")) return plan;
  return { ...plan, hop: { ...hop, headers: [...hop.headers, ["traceparent", traceparent]] } };
}

const encoder = new TextEncoder();

function bodyOf({ method, body, body_base64 }: RequestParams, tail: Uint8Array | null): Uint8Array | null {
  // The original's clients send a body with any method, and it is ignored there.
  if (/^(?:GET|HEAD)$/i.test(method)) return null;
  if (tail !== null && tail.length > 0) return tail;
  if (body_base64 !== undefined) return Uint8Array.fromBase64(body_base64);
  return body === undefined ? null : encoder.encode(body);
}

/** An answer's {@link headFields}. */
export function headOf(
  response: Pick<HttpStream, "status" | "headers" | "finalUrl" | "redirects">,
): { status_code: number; headers: Record<string, string>; url: string; redirected: number } {
  return {
    status_code: response.status,
    headers: { ...headerObject(response.headers) },
    url: response.finalUrl,
    redirected: response.redirects,
  };
}

/** What to throw for a failure: the original's text for every request that fails, and ours behind it. */
export function told(error: unknown, plan: Plan, ctx: Context): unknown {
  if (!(error instanceof EgressError)) return error;
  const { code, message, receipt } = error;
  if (code === "denied" && receipt !== null && receipt.need.startsWith("net:")) {
    const phrase = phraseOf(plan.hop.target.need, ctx.caller, ctx.services.clock.now());
    return new SyscallError(code, `Permission denied: ${phrase}: ${message}`, { receipt, cause: error });
  }
  const prefix = code === "denied" ? "Permission denied" : "Failed to execute HTTP request";
  return new SyscallError(code, `${prefix}: ${message}`, { receipt: receipt ?? undefined, cause: error });
}

/** What the audit line keeps. Tokens travel in queries and user information: a log is no place for them. */
export function recordOf({ url, method }: RequestParams): Record<string, unknown> {
  return { url: url.replace(/[?#].*$/s, "").replace(/\/\/[^/]*@/, "//").slice(0, 300), method };
}
