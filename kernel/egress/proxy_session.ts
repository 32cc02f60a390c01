/**
 * One connection of an agent to its proxy, from the first byte to the last.
 *
 * @module
 */
import type { Socket } from "node:net";
import { ByteReader, ByteWriter, HeadError } from "./bytes.ts";
import { EgressError } from "./errors.ts";
import { isConnectionFault } from "./faults.ts";
import { HttpSyntaxError, parseRequestHead, requestFraming, type RequestHead } from "./http1.ts";
import { keepsAlive } from "./headers.ts";
import type { EgressProxy } from "./proxy.ts";
import { type Answer, answerFor, formatAnswer, PROVE_YOURSELF } from "./proxy_answer.ts";
import { forward } from "./proxy_forward.ts";
import { tunnel } from "./proxy_tunnel.ts";
import { greetSocks, readSocksRequest, SOCKS_REPLY, SOCKS_VERSION, SocksError } from "./socks.ts";
import { socksCode, socksReply } from "./socks.ts";
import { parseAuthority, parseHttpTarget, type Target } from "./target.ts";

/** After a last answer: how long and how much a client that is still sending is read, so that it sees the answer. */
const LINGER_MS = 2_000;
const LINGER_BYTES = 1024 * 1024;

/** See above. */
export class Session {
  /** Reads what the agent sends. */
  readonly reader: ByteReader;
  /** Writes what the agent gets. */
  readonly writer: ByteWriter;
  /** The proxy it belongs to. */
  readonly proxy: EgressProxy;
  /** The agent's connection. */
  readonly socket: Socket;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** @param proxy Whose. @param socket Which. */
  constructor(proxy: EgressProxy, socket: Socket) {
    this.proxy = proxy;
    this.socket = socket;
    this.reader = new ByteReader(socket);
    this.writer = new ByteWriter(socket);
    socket.on("close", () => this.#disarm());
  }

  /** Serves the connection. Never rejects. */
  async run(): Promise<void> {
    try {
      if (await this.#begin() === SOCKS_VERSION) await this.#socks();
      else while (await this.#request()) await this.#begin();
      await this.#linger();
    } catch (error) {
      // Where the agent's own connection broke there is nobody to tell, and what was under way has reported itself.
      if (!isConnectionFault(error)) this.proxy.fault(error);
    } finally {
      this.#disarm();
      this.socket.destroy();
    }
  }

  /** Sends an answer of the proxy's own. */
  async answer(answer: Answer, head: RequestHead | null, keep: boolean): Promise<void> {
    await this.writer.write(formatAnswer(answer, head, keep));
  }

  /** Waits for the first byte of whatever comes next, and gives its head a deadline. */
  async #begin(): Promise<number | null> {
    this.#arm(this.proxy.limits.keepAliveMs, null);
    const first = await this.reader.peek();
    const { headMs } = this.proxy.limits;
    const late = () =>
      formatAnswer(answerFor(new HttpSyntaxError(400, `No whole head in ${headMs} ms`), 408), null, false);
    this.#arm(headMs, first === null || first === SOCKS_VERSION ? null : late);
    return first;
  }

  /** Serves one HTTP request. @returns Whether another may follow. */
  async #request(): Promise<boolean> {
    let head: RequestHead | null = null;
    try {
      const { headBytes, headers } = this.proxy.limits;
      let text = await this.reader.head(headBytes);
      // One empty line is forgiven: old clients end a body with it (RFC 9112, 2.2).
      if (text === "") text = await this.reader.head(headBytes);
      if (text === null) return false;
      this.#disarm();
      head = parseRequestHead(text, headers);
      const framing = requestFraming(head);
      if (this.proxy.credential?.inHeaders(head.headers) === false) {
        const keep = framing.kind === "none" && head.minor === 1 && keepsAlive(head.headers, head.minor);
        this.proxy.report(
          head.method === "CONNECT" ? "connect" : "forward",
          "",
          null,
          "the client did not prove itself",
        );
        await this.answer(PROVE_YOURSELF, head, keep);
        return keep;
      }
      if (head.headers.filter(([name]) => name.toLowerCase() === "host").length > 1) {
        throw new HttpSyntaxError(400, "Host is given more than once");
      }
      if (head.method === "CONNECT") {
        if (framing.kind === "chunked" || (framing.kind === "length" && framing.length > 0)) {
          throw new HttpSyntaxError(400, "A CONNECT request has no body");
        }
        return await this.#connect(head);
      }
      const target = this.#target(head);
      if (target === null) throw new HttpSyntaxError(400, NOT_ABSOLUTE);
      return await forward(this, head, framing, target);
    } catch (error) {
      if (!(error instanceof HttpSyntaxError || error instanceof HeadError || error instanceof EgressError)) {
        throw error;
      }
      const answer = answerFor(error);
      // A refusal leaves the connection usable where it is certain that the next byte begins a request.
      const keep = error instanceof EgressError && head !== null && keepsAlive(head.headers, head.minor) &&
        head.minor === 1 && requestFraming(head).kind === "none" && head.method !== "CONNECT";
      if (error instanceof EgressError && error.code === "bad_request" && head !== null) {
        this.proxy.report(
          head.method === "CONNECT" ? "connect" : "forward",
          head.target,
          null,
          error.message,
        );
      }
      await this.answer(answer, head, keep);
      return keep;
    }
  }

  #target(head: RequestHead): Target | null {
    if (!/^[a-z][a-z0-9+.-]*:/i.test(head.target)) return null;
    if (head.target.includes("#")) throw new HttpSyntaxError(400, "A request target has no fragment");
    if (/^https:/i.test(head.target)) {
      throw new EgressError("bad_request", "Cannot forward an https request in the clear: use CONNECT");
    }
    if (!/^http:\/\//i.test(head.target)) {
      throw new EgressError(
        "bad_request",
        "Cannot forward this request: only http is forwarded, use CONNECT or SOCKS5",
      );
    }
    if (/^(?:trace|track)$/i.test(head.method)) {
      throw new EgressError(
        "bad_request",
        `Cannot forward the method "${head.method}": it sends headers back`,
      );
    }
    return parseHttpTarget(head.target, head.method);
  }

  async #connect(head: RequestHead): Promise<false> {
    const target = parseAuthority(head.target);
    await tunnel(
      this,
      "connect",
      target,
      () => this.writer.write("HTTP/1.1 200 Connection Established\r\n\r\n"),
    );
    return false;
  }

  async #socks(): Promise<void> {
    try {
      await greetSocks(this.reader, (bytes) => this.writer.write(bytes), this.proxy.credential);
      const target = await readSocksRequest(this.reader);
      this.#disarm();
      await tunnel(this, "socks", target, () => this.writer.write(socksReply(SOCKS_REPLY.succeeded)));
    } catch (error) {
      if (error instanceof SocksError) {
        this.proxy.report("socks", "", null, error.message);
        await this.writer.write(error.reply);
      } else if (error instanceof EgressError) await this.writer.write(socksReply(socksCode(error.code)));
      else throw error;
    }
  }

  /** Says that this was all, and reads on a little: closing with unread bytes would take the answer back. */
  async #linger(): Promise<void> {
    this.writer.end();
    this.#arm(LINGER_MS, null);
    let bytes = 0;
    for (let piece = await this.reader.take(); piece !== null; piece = await this.reader.take()) {
      bytes += piece.length;
      if (bytes > LINGER_BYTES) return;
    }
  }

  /** Closes the connection after `ms`, with some last words. */
  #arm(ms: number, words: (() => string) | null): void {
    this.#disarm();
    this.#timer = setTimeout(() => {
      if (words !== null) this.socket.write(words(), "latin1");
      this.socket.destroySoon();
    }, ms);
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

const NOT_ABSOLUTE =
  "This is a proxy: the request target is a whole URL, http://host/path, or the method is CONNECT";
