import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { requestStreamPlanned } from "../../egress/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { phraseOf } from "./phrases.ts";
import { headFields, headOf, planOf, recordOf, requestFields, told, traced } from "./request.ts";

/** More than this is no answer but a feed without end. */
const MOST_BYTES = 16 * 1024 ** 3;

/** Makes a request over the network and hands the body on as it comes. */
export const netStream = defineSyscall({
  name: "net.stream",
  wire: "HTTP_STREAM",
  opcode: 0x51,
  since: "0.1.0",
  summary:
    "Makes an HTTP request as net.http does and gives the body in parts as they come; protocol 2 only.",
  params: z.strictObject({
    ...requestFields,
    max_bytes: z.int().min(0).max(MOST_BYTES).default(MOST_BYTES).describe(
      "Fail when the body, decoded, has more.",
    ),
  }),
  result: z.object({
    ...headFields,
    bytes: z.int().describe("Bytes of the body, after decoding."),
    duration_ms: z.number().describe("From the request to the body's end."),
  }),
  part: z.object(headFields).partial().describe(
    "The first part tells status and headers; each further one is a piece of the body.",
  ),
  tail: { params: "The body to send, instead of `body`.", part: "A piece of the body." },
  streams: true,
  needs: (params) => [planOf(params, null, params.max_bytes).hop.target.need],
  phrase: phraseOf,
  record: recordOf,
  tool: false,
  deadlineMs: 0,
  async handle(ctx, params) {
    const { stream } = ctx;
    if (stream === null) {
      throw new SyscallError(
        "unsupported",
        "Cannot stream in protocol 1: ask for protocol 2, or use net.http",
      );
    }
    const plan = traced(planOf(params, ctx.tail, params.max_bytes), ctx.traceparent);
    const startedAt = ctx.services.clock.monotonic();
    const { gate, ...hooks } = ctx.services.egress.of(ctx.caller).hooks;
    try {
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
      return { ...headOf(response), bytes, duration_ms: ctx.services.clock.monotonic() - startedAt };
    } catch (error) {
      throw told(error, plan, ctx);
    }
  },
});
