/**
 * Deno's own OpenTelemetry, as far as it is used here. It exports by itself when `OTEL_DENO` is set; nothing has to be
 * imported for it (https://docs.deno.com/runtime/fundamentals/open_telemetry/).
 *
 * @module
 */
import { formatTraceparent, type TraceContext } from "./trace_context.ts";

/** Values of attributes. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** SpanKind of the OpenTelemetry API. */
export const KIND = { internal: 0, server: 1 } as const;

/** SpanStatusCode.ERROR of the OpenTelemetry API. */
const ERROR = 2;

interface DenoSpan {
  spanContext(): TraceContext;
  setAttributes(attributes: Attributes): void;
  setStatus(status: { code: number; message?: string }): void;
  addEvent(name: string, attributes: Attributes): void;
  end(): void;
}

interface DenoTracer {
  startSpan(name: string, options: { kind: number; attributes: Attributes }, context: unknown): DenoSpan;
}

/** Something that takes time. */
export class Span {
  readonly #span: DenoSpan;
  /** For whoever goes on from here. */
  readonly traceparent: string;

  /** Made by {@link Spans}. */
  constructor(span: DenoSpan) {
    this.#span = span;
    this.traceparent = formatTraceparent(span.spanContext());
  }

  /** Where it is in its trace. */
  get context(): TraceContext {
    return this.#span.spanContext();
  }

  /** Notes a moment within it. */
  event(name: string, attributes: Attributes): void {
    this.#span.addEvent(name, attributes);
  }

  /** It is over. `error` is a word for what went wrong; null when nothing did. */
  end(attributes: Attributes, error: string | null): void {
    this.#span.setAttributes(error === null ? attributes : { ...attributes, "error.type": error });
    if (error !== null) this.#span.setStatus({ code: ERROR, message: error });
    this.#span.end();
  }
}

/** Under this key the OpenTelemetry API keeps the span of a context. */
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

/** Begins spans. */
export class Spans {
  readonly #tracer: DenoTracer;

  /** @param version Of the kernel, told with each span. */
  constructor(version: string) {
    this.#tracer = Deno.telemetry.tracerProvider.getTracer("clove", version) as DenoTracer;
  }

  /** Begins one; `parent` null begins a trace. */
  start(name: string, kind: number, parent: TraceContext | null, attributes: Attributes): Span {
    // What Deno has as its active span is about its own servers: a call belongs to its caller's trace, or to none.
    const root = Deno.telemetry.contextManager.active().deleteValue(SPAN_KEY);
    const context = parent
      ? root.setValue(SPAN_KEY, { spanContext: () => ({ ...parent, isRemote: true }) })
      : root;
    return new Span(this.#tracer.startSpan(name, { kind, attributes }, context));
  }
}

/** Whether somebody asked for telemetry: `OTEL_DENO` is `true` or `1`, as Deno itself reads it. */
export function telemetryWanted(): boolean {
  return ["true", "1"].includes(Deno.env.get("OTEL_DENO") ?? "") && Deno.telemetry !== undefined;
}
