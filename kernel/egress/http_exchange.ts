/**
 * One hop of the HTTP client: sent, answered, reported once.
 *
 * @module
 */
import { readBody } from "./body.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { ConnectionClosed, EgressError } from "./errors.ts";
import type { Gate } from "./gate.ts";
import { formatHeaders } from "./headers.ts";
import {
  type Framing,
  type Header,
  HttpSyntaxError,
  parseResponseHead,
  responseFraming,
  type ResponseHead,
} from "./http1.ts";
import type { Hop, HttpHooks } from "./http_request.ts";
import { EGRESS_LIMITS, type EgressLimits, HTTP_LIMITS } from "./limits.ts";
import { Passage } from "./passage.ts";
import { Resolver } from "./resolve.ts";
import { substituteHeaders } from "./secrets.ts";
import { hostHeader } from "./target.ts";

const shared = new Resolver({ inFlight: 256 });

/** One request and its answer. Made, {@link open}ed, and either read to the end or {@link finish}ed. */
export class Exchange {
  readonly #hop: Hop;
  readonly #hooks: HttpHooks;
  readonly #signal: AbortSignal;
  readonly #limits: EgressLimits;
  readonly #passage: Passage;
  #reader: ByteReader | null = null;
  #framing: Framing = { kind: "none" };
  #secret: ReadonlySet<string> = new Set();

  /**
   * @param hop What to send where.
   * @param gate Who decides.
   * @param hooks The kernel's additions.
   * @param signal Ends it; its reason, an {@link EgressError}, is what fails.
   */
  constructor(hop: Hop, gate: Gate, hooks: HttpHooks, signal: AbortSignal) {
    this.#hop = hop;
    this.#hooks = hooks;
    this.#signal = signal;
    this.#limits = { ...EGRESS_LIMITS, ...hooks.limits };
    this.#passage = new Passage({
      agent: hooks.agent ?? 0,
      kind: "request",
      target: hop.target,
      method: hop.method,
      gate,
      resolver: hooks.resolver ?? shared,
      limits: this.#limits,
      ca: hooks.ca,
      onDecision: hooks.onDecision,
    });
    signal.addEventListener("abort", this.#onAbort, { once: true });
    hooks.watch?.enter(this.#passage);
  }

  /** The headers (lower case) that carried a secret. */
  get secret(): ReadonlySet<string> {
    return this.#secret;
  }

  /** Bytes of body so far, as they came. */
  get bytesDown(): number {
    return this.#passage.bytesDown;
  }

  /** Sends the request and reads the answer's head. Throws {@link EgressError}, having reported. */
  async open(): Promise<ResponseHead> {
    try {
      return await this.#open();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** The answer's body as it comes, at most `maxBytes` of it. Throws {@link EgressError}, having reported. */
  async *body(maxBytes: number): AsyncGenerator<Uint8Array, void, void> {
    try {
      if (this.#framing.kind === "length" && this.#framing.length > maxBytes) throw this.#tooLong(maxBytes);
      for await (const piece of readBody(this.#reader!, this.#framing)) {
        this.#passage.touch();
        this.#passage.bytesDown += piece.length;
        if (this.#passage.bytesDown > maxBytes) throw this.#tooLong(maxBytes);
        // What was taken back while the answer was on its way is taken back: nothing more is handed on.
        this.#passage.recheck();
        yield piece;
      }
      this.finish("ok");
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.finish("the reader stopped before the end");
    }
  }

  /** Closes the connection and reports, once. */
  finish(end: string): void {
    this.#release();
    this.#passage.finish(end);
  }

  readonly #onAbort = (): void => this.#passage.abort(this.#signal.reason as EgressError);

  async #open(): Promise<ResponseHead> {
    const { target, method } = this.#hop;
    const socket = await this.#passage.connect();
    const { headers, secret } = substituteHeaders(this.#hop.headers, target, method, this.#hooks.substitute);
    this.#secret = secret;
    this.#reader = new ByteReader(socket);
    // A server may answer and close before it has read everything, so sending is not waited for: if the answer
    // can be read, it counts.
    const failed = this.#send(new ByteWriter(socket), headers).then(() => null, (error: unknown) => error);
    for (let interim = 0; interim <= HTTP_LIMITS.interim; interim++) {
      const text = await this.#reader.head(this.#limits.headBytes);
      if (text === null) {
        throw await failed ?? new ConnectionClosed("the connection was closed without an answer");
      }
      const head = parseResponseHead(text, this.#limits.headers);
      if (head.status === 101) {
        throw new HttpSyntaxError(400, "the protocol was switched without being asked");
      }
      if (head.status < 200) continue;
      this.#framing = responseFraming(head, method);
      this.#passage.status = head.status;
      return head;
    }
    throw new HttpSyntaxError(400, `more than ${HTTP_LIMITS.interim} informational answers`);
  }

  async #send(writer: ByteWriter, headers: readonly Header[]): Promise<void> {
    const { target, method, body } = this.#hop;
    const announced = body !== null || /^(?:POST|PUT|PATCH)$/.test(method);
    await writer.write(
      `${method} ${target.path} HTTP/1.1\r\nhost: ${hostHeader(target)}\r\n${formatHeaders(headers)}` +
        (announced ? `content-length: ${body?.length ?? 0}\r\n` : "") + "connection: close\r\n\r\n",
    );
    if (body === null) return;
    for (let at = 0; at < body.length; at += 65536) {
      const piece = body.subarray(at, at + 65536);
      await writer.write(piece);
      this.#passage.bytesUp += piece.length;
    }
  }

  #release(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#hooks.watch?.leave(this.#passage);
  }

  #fail(error: unknown): EgressError {
    this.#release();
    return this.#passage.fail(error);
  }

  #tooLong(maxBytes: number): EgressError {
    const { label } = this.#hop.target;
    return new EgressError(
      "limit",
      `Cannot read the answer of ${label}: its body has more than ${maxBytes} bytes`,
    );
  }
}
