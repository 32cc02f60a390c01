/**
 * The one line that carries a trace from one process to the next (https://www.w3.org/TR/trace-context/).
 *
 * @module
 */
import { z } from "zod";

/** A place in a trace. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 hexadecimal digits, not all zero. */
  readonly spanId: string;
  /** Bit 0: it is recorded. */
  readonly traceFlags: number;
}

const LINE = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads a `traceparent`; null when it is none. */
export function parseTraceparent(text: unknown): TraceContext | null {
  const [, traceId, spanId, flags] = typeof text === "string" ? LINE.exec(text) ?? [] : [];
  return traceId && spanId && flags ? { traceId, spanId, traceFlags: parseInt(flags, 16) } : null;
}

/** Writes one. */
export function formatTraceparent({ traceId, spanId, traceFlags }: TraceContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
}

/** The field of requests that carry one. Something else in it is passed over, as the standard wants. */
export function traceparentField(text: string): z.ZodOptional<z.ZodString> {
  return z.string().max(256).optional().describe(text);
}
