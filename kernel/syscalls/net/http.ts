import { z } from "zod";
import { HTTP_LIMITS, type HttpResponse, requestPlanned } from "../../egress/mod.ts";
import { accepted, deferrable } from "../../fields.ts";
import { defineSyscall, WithTail } from "../../syscall.ts";
import { phraseOf } from "./phrases.ts";
import { headFields, headOf, planOf, recordOf, requestFields, told, traced } from "./request.ts";

const params = z.object({
  ...requestFields,
  max_bytes: z.int().min(0).max(HTTP_LIMITS.maxBytes).default(HTTP_LIMITS.maxBytes).describe(
    "Fail when the body, decoded, has more.",
  ),
  base64: z.boolean().optional().describe("Also give the body's exact bytes, base64."),
  raw: z.boolean().optional().describe("Give the body as raw bytes beside the answer; protocol 2 only."),
  ...deferrable,
});

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
    status_code: headFields.status_code.optional(),
    headers: headFields.headers.optional(),
    url: headFields.url.optional(),
    redirected: headFields.redirected.optional(),
    body: z.string().optional().describe("As UTF-8; empty where it came raw."),
    binary: z.literal(true).optional().describe(
      "Present when the body is no UTF-8: `body` is then only a likeness.",
    ),
    body_base64: z.string().optional().describe("With `base64`."),
    bytes: z.int().optional().describe("Bytes of the body, after decoding."),
    duration_ms: z.number().optional().describe("From the request to the body's end."),
    ...accepted,
  }),
  tail: { params: "The body to send, instead of `body`.", result: "The body, with `raw`." },
  needs: (params) => [planOf(params, null, params.max_bytes).hop.target.need],
  phrase: phraseOf,
  record: recordOf,
  tool: true,
  // The whole exchange has its own.
  deadlineMs: 0,
  deferrable: true,
  async handle(ctx, params) {
    const plan = traced(planOf(params, ctx.tail, params.max_bytes), ctx.traceparent);
    const startedAt = ctx.services.clock.monotonic();
    const { gate, ...hooks } = ctx.services.egress.of(ctx.caller).hooks;
    let response: HttpResponse;
    try {
      response = await requestPlanned(plan, gate, hooks, ctx.signal);
    } catch (error) {
      throw told(error, plan, ctx);
    }
    const { body: bytes } = response;
    const duration_ms = ctx.services.clock.monotonic() - startedAt;
    const common = { ...headOf(response), bytes: bytes.length, duration_ms };
    if (params.raw && ctx.binary) return new WithTail({ ...common, body: "" }, bytes);
    const text = textOf(bytes);
    return {
      ...common,
      body: text ?? lenient.decode(bytes),
      ...(text === null ? { binary: true as const } : {}),
      ...(params.base64 ? { body_base64: bytes.toBase64() } : {}),
    };
  },
});

const lenient = new TextDecoder();
const strict = new TextDecoder("utf-8", { fatal: true });

function textOf(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
