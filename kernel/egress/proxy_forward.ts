/**
 * One plain HTTP request through the proxy: decided by host, port, method and path.
 *
 * Request and response are taken apart and put together again, never copied through: what goes on is what was
 * understood, with a length that is given once.
 *
 * @module
 */
import { LAST_CHUNK, readBody, writePiece } from "./body.ts";
import { ByteReader, ByteWriter, HeadError } from "./bytes.ts";
import { ConnectionClosed, EgressError } from "./errors.ts";
import { endToEnd, formatHeaders, headerOf, keepsAlive } from "./headers.ts";
import {
  type Framing,
  type Header,
  HttpSyntaxError,
  parseResponseHead,
  type RequestHead,
  responseFraming,
  type ResponseHead,
} from "./http1.ts";
import { HTTP_LIMITS } from "./limits.ts";
import type { Passage } from "./passage.ts";
import type { Session } from "./proxy_session.ts";
import { substituteHeaders } from "./secrets.ts";
import { hostHeader, type Target } from "./target.ts";

/**
 * Forwards a request and carries the answer back.
 *
 * @returns Whether the agent's connection can carry another request.
 * @throws {EgressError | HttpSyntaxError} If it failed before anything of an answer was sent.
 */
export async function forward(
  session: Session,
  head: RequestHead,
  framing: Framing,
  target: Target,
): Promise<boolean> {
  const passage = session.proxy.enter({ kind: "forward", target, method: head.method });
  const onClose = () => passage.abort(new EgressError("cancelled", "The agent closed the connection"));
  session.socket.once("close", onClose);
  const exchange = new Forward(session, passage, head, framing, target);
  try {
    return await exchange.run();
  } catch (error) {
    if (exchange.requestError !== null) passage.finish(exchange.requestError.message);
    const failure = exchange.requestError ?? passage.fail(error);
    // Half an answer cannot be mended: closing is how HTTP says so.
    if (exchange.answering) throw new ConnectionClosed("the answer broke off", { cause: failure });
    throw failure;
  } finally {
    session.socket.off("close", onClose);
    passage.finish("the connection broke");
    session.proxy.leave(passage, "forward");
  }
}

class Forward {
  /** Set where the agent's own body is what was wrong. */
  requestError: HttpSyntaxError | HeadError | null = null;
  /** Whether the agent has been sent part of the answer. */
  answering = false;
  readonly #session: Session;
  readonly #passage: Passage;
  readonly #head: RequestHead;
  readonly #framing: Framing;
  readonly #target: Target;
  #uploaded = false;

  constructor(session: Session, passage: Passage, head: RequestHead, framing: Framing, target: Target) {
    this.#session = session;
    this.#passage = passage;
    this.#head = head;
    this.#framing = framing;
    this.#target = target;
  }

  async run(): Promise<boolean> {
    const socket = await this.#passage.connect();
    const headers = this.#outgoing();
    const upload = this.#upload(new ByteWriter(socket), headers).catch((error) => {
      if (error instanceof HttpSyntaxError || error instanceof HeadError) {
        this.requestError = error;
        socket.destroy(error);
      }
      // Anything else broke a connection, and whoever reads from it finds out there.
    });
    const reader = new ByteReader(socket);
    const answer = await this.#answerHead(reader);
    const framing = responseFraming(answer, this.#head.method);
    const { minor } = this.#head;
    const chunked = minor === 1 && (framing.kind === "chunked" || framing.kind === "close");
    if (this.#framing.kind === "none") await upload;
    const keep = this.#uploaded && minor === 1 && keepsAlive(this.#head.headers, minor);
    this.answering = true;
    // From here on a refusal has no other way to be said, and the agent may not be reading.
    this.#passage.signal.addEventListener("abort", () => this.#session.socket.destroy(), { once: true });
    await this.#session.writer.write(formatHead(answer, framing, chunked, keep));
    for await (const piece of readBody(reader, framing)) {
      this.#passage.touch();
      this.#passage.bytesDown += piece.length;
      await writePiece(this.#session.writer, piece, chunked);
      this.#passage.touch();
    }
    if (chunked) await this.#session.writer.write(LAST_CHUNK);
    this.#passage.finish("ok");
    return keep;
  }

  /** The header lines that go on, with the secrets they are granted. */
  #outgoing(): string {
    const { method } = this.#head;
    const kept = endToEnd(this.#head.headers, ["host", "content-length"]);
    const { headers } = substituteHeaders(kept, this.#target, method, this.#session.proxy.substitute);
    const framing = this.#framing;
    const length = framing.kind === "length"
      ? `content-length: ${framing.length}\r\n`
      : framing.kind === "chunked"
      ? "transfer-encoding: chunked\r\n"
      : "";
    return `${method} ${this.#target.path} HTTP/1.1\r\nhost: ${hostHeader(this.#target)}\r\n` +
      `${formatHeaders(headers)}${length}connection: close\r\n\r\n`;
  }

  async #upload(writer: ByteWriter, head: string): Promise<void> {
    await writer.write(head);
    const chunked = this.#framing.kind === "chunked";
    for await (const piece of readBody(this.#session.reader, this.#framing)) {
      this.#passage.touch();
      this.#passage.bytesUp += piece.length;
      await writePiece(writer, piece, chunked);
    }
    if (chunked) await writer.write(LAST_CHUNK);
    this.#uploaded = true;
  }

  /** Reads the answer's head, passing on the informational ones before it. */
  async #answerHead(reader: ByteReader): Promise<ResponseHead> {
    const { headBytes, headers } = this.#session.proxy.limits;
    for (let interim = 0; interim <= HTTP_LIMITS.interim; interim++) {
      const text = await reader.head(headBytes);
      if (text === null) throw new ConnectionClosed("the connection was closed without an answer");
      const answer = parseResponseHead(text, headers);
      this.#passage.touch();
      if (answer.status === 101) {
        throw new HttpSyntaxError(400, "the protocol was switched without being asked");
      }
      if (answer.status >= 200) {
        this.#passage.status = answer.status;
        return answer;
      }
      if (this.#head.minor === 1) {
        await this.#session.writer.write(formatHead(answer, { kind: "none" }, false, true));
      }
    }
    throw new HttpSyntaxError(400, `more than ${HTTP_LIMITS.interim} informational answers`);
  }
}

function formatHead(answer: ResponseHead, framing: Framing, chunked: boolean, keep: boolean): string {
  const headers: Header[] = endToEnd(answer.headers, ["content-length"]);
  if (framing.kind === "length") headers.push(["content-length", String(framing.length)]);
  else if (framing.kind === "none" && answer.status >= 200 && answer.status !== 204) {
    // The answer to HEAD, and 304, tell the length of a body that is not there.
    const length = headerOf(answer.headers, "content-length");
    if (length !== null) headers.push(["content-length", length]);
  }
  if (chunked) headers.push(["transfer-encoding", "chunked"]);
  if (!keep) headers.push(["connection", "close"]);
  return `HTTP/1.1 ${answer.status} ${answer.reason}\r\n${formatHeaders(headers)}\r\n`;
}
