import { z } from "zod";
import { type ErrorCode, SyscallError } from "@clove/sdk/protocol";
import {
  EgressError,
  headerObject,
  HTTP_LIMITS,
  type HttpResponse,
  type Plan,
  planRequest,
  requestPlanned,
  requestStreamPlanned,
} from "../../egress/mod.ts";
import { accepted, deferrable } from "../../fields.ts";
import { required } from "../../schema.ts";
import { type Context, defineSyscall, WithTail } from "../../syscall.ts";
import { phraseOf } from "./phrases.ts";

const params = z.object({
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
  redirects: z.int().min(0).max(HTTP_LIMITS.redirectsMost).default(0).describe(
    "How many redirects to follow, each decided about anew. 0 gives the redirect itself.",
  ),
  max_bytes: z.int().min(0).max(HTTP_LIMITS.maxBytes).default(HTTP_LIMITS.maxBytes).describe(
    "Fail when the body, decoded, has more.",
  ),
  base64: z.boolean().optional().describe("Also give the body's exact bytes, base64."),
  raw: z.boolean().optional().describe("Give the body as raw bytes beside the answer; protocol 2 only."),
  stream: z.boolean().optional().describe("Give the body in parts as it comes; protocol 2 only."),
  ...deferrable,
});

type Params = z.output<typeof params>;

const head = {
  status_code: z.int().optional().describe("As the server said, 200 to 599."),
  headers: z.record(z.string(), z.string()).optional().describe(
    "Names in lower case; repetitions are joined by a comma, those of set-cookie by a line feed.",
  ),
  url: z.string().optional().describe("The URL that answered, after redirects."),
  redirected: z.int().optional().describe("Redirects that were followed."),
};

/** Makes a request over the network. */
export const netHttp = defineSyscall({
  name: "net.http",
  wire: "HTTP",
  opcode: 0x50,
  since: "0.1.0",
  summary:
    "Makes an HTTP request as far as the caller's net rules allow, and gives the answer's status, headers and body.",
  params,
  result: z.object({
    success: z.literal(true).optional().describe("An answer came, whatever its status."),
    ...head,
    body: z.string().optional().describe("As UTF-8; empty where it came raw or in parts."),
    binary: z.literal(true).optional().describe(
      "Present when the body is no UTF-8: `body` is then only a likeness.",
    ),
    body_base64: z.string().optional().describe("With `base64`."),
    bytes: z.int().optional().describe("Bytes of the body as given, after decoding."),
    duration_ms: z.number().optional().describe("From the request to the body's end."),
    ...accepted,
  }),
  part: z.object(head).describe(
    "The first part tells status and headers; each further one is a piece of the body.",
  ),
  tail: {
    params: "The body to send, instead of `body`.",
    result: "The body, with `raw`.",
    part: "A piece of the body.",
  },
  streams: true,
  needs: (params) => [planOf(params, null).hop.target.need],
  phrase: phraseOf,
  record: ({ url, method }) => ({ url: withoutQuery(url), method }),
  tool: true,
  deadlineMs: 0,
  deferrable: true,
  async handle(ctx, params) {
    const plan = planOf(params, ctx.tail);
    const startedAt = ctx.services.clock.monotonic();
    try {
      if (params.stream && ctx.binary) return await streamed(ctx, plan, startedAt);
      const { gate, ...hooks } = ctx.services.egress.of(ctx.caller).hooks;
      const response = await requestPlanned(plan, gate, hooks, ctx.signal);
      const duration_ms = ctx.services.clock.monotonic() - startedAt;
      return answer(ctx, params, response, duration_ms);
    } catch (error) {
      throw told(error, plan, ctx);
    }
  },
});

/** What was checked of a request, kept from the first look at it to its execution: it is asked about once. */
const plans = new WeakMap<Params, Plan>();

function planOf(params: Params, tail: Uint8Array | null): Plan {
  const known = plans.get(params);
  if (known !== undefined) {
    return tail === null ? known : { ...known, hop: { ...known.hop, body: bodyOf(params, tail) } };
  }
  const { url, method, headers, timeout, redirects, max_bytes } = params;
  const body = bodyOf(params, tail);
  try {
    const plan = planRequest({
      url,
      method,
      headers,
      ...(body === null ? {} : { body }),
      timeoutMs: Math.ceil(timeout * 1000) || HTTP_LIMITS.timeoutMostMs,
      redirects,
      maxBytes: max_bytes,
    });
    plans.set(params, plan);
    return plan;
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    throw new SyscallError(error.code, `invalid request: ${error.message}`, { cause: error });
  }
}

const encoder = new TextEncoder();

function bodyOf({ method, body, body_base64 }: Params, tail: Uint8Array | null): Uint8Array | null {
  // The original's clients send a body with any method, and it ignores it there.
  if (/^(?:GET|HEAD)$/i.test(method)) return null;
  if (tail !== null && tail.length > 0) return tail;
  if (body_base64 !== undefined) return Uint8Array.fromBase64(body_base64);
  return body === undefined ? null : encoder.encode(body);
}

const lenient = new TextDecoder();
const strict = new TextDecoder("utf-8", { fatal: true });

function answer(ctx: Context, { base64, raw }: Params, response: HttpResponse, duration_ms: number) {
  const { body: bytes } = response;
  const common = { ...headOf(response), bytes: bytes.length, duration_ms };
  if (raw && ctx.binary) return new WithTail({ ...common, body: "" }, bytes);
  const text = textOf(bytes);
  return {
    ...common,
    body: text ?? lenient.decode(bytes),
    ...(text === null ? { binary: true as const } : {}),
    ...(base64 ? { body_base64: bytes.toBase64() } : {}),
  };
}

async function streamed(ctx: Context, plan: Plan, startedAt: number) {
  const { gate, ...hooks } = ctx.services.egress.of(ctx.caller).hooks;
  const stream = ctx.stream!;
  const response = await requestStreamPlanned(plan, gate, hooks, ctx.signal);
  let bytes = 0;
  try {
    await stream.write(headOf(response));
    for await (const piece of response.body) {
      bytes += piece.length;
      await stream.write({}, piece);
    }
  } finally {
    response.close();
  }
  return { ...headOf(response), body: "", bytes, duration_ms: ctx.services.clock.monotonic() - startedAt };
}

function headOf(response: Omit<HttpResponse, "body" | "bytes">) {
  return {
    status_code: response.status,
    headers: { ...headerObject(response.headers) },
    url: response.finalUrl,
    redirected: response.redirects,
  };
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** The original's text for every request that fails, and ours behind it. */
function told(error: unknown, plan: Plan, ctx: Context): unknown {
  if (!(error instanceof EgressError)) return error;
  const { message, receipt } = error;
  const code: ErrorCode = error.code;
  if (code === "denied" && receipt !== null && receipt.need.startsWith("net:")) {
    const phrase = phraseOf(plan.hop.target.need, ctx.caller, ctx.services.clock.now());
    return new SyscallError(code, `Permission denied: ${phrase}: ${message}`, { receipt, cause: error });
  }
  const prefix = code === "denied" ? "Permission denied" : "Failed to execute HTTP request";
  return new SyscallError(code, `${prefix}: ${message}`, { receipt: receipt ?? undefined, cause: error });
}

/** Tokens travel in queries, fragments and user information: a log is no place for them. */
function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, "").replace(/\/\/[^/]*@/, "//").slice(0, 300);
}
