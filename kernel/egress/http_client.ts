/**
 * The client behind the HTTP syscall.
 *
 * It speaks HTTP/1.1 itself, on a connection to an address that was checked, so that what was decided about is what
 * happens: no proxy from the environment, no second resolution, no redirect that nobody asked about. Each request
 * has its own connection.
 *
 * @module
 */
import { decodable, decode } from "./decode.ts";
import { EgressError } from "./errors.ts";
import type { Gate } from "./gate.ts";
import { headerOf } from "./headers.ts";
import type { Header, ResponseHead } from "./http1.ts";
import { Exchange } from "./http_exchange.ts";
import { type Hop, type HttpHooks, type HttpRequest, type Plan, planRequest } from "./http_request.ts";
import { isRedirect, redirectHeaders, redirectMethod } from "./redirect.ts";
import { httpTarget, sameOrigin, urlOf } from "./target.ts";

/** An answer whose body is still to come. */
export interface HttpStream {
  /** 200 to 599, as the server said. */
  readonly status: number;
  /** The server's words for it; often empty. */
  readonly reason: string;
  /** As sent, in order; `headerObject()` makes an object of them. */
  readonly headers: readonly Header[];
  /** The URL that answered, after redirects. */
  readonly finalUrl: string;
  /** Redirects that were followed. */
  readonly redirects: number;
  /** The Content-Encoding that {@link body} has been decoded from, empty where the bytes are as they came. */
  readonly decoded: string;
  /** Read it to the end or leave the loop: both close the connection. Throws {@link EgressError}. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Closes the connection of a body that nobody will read. */
  close(): void;
}

/** An answer, whole. */
export interface HttpResponse extends Omit<HttpStream, "body" | "close"> {
  /** The body, decoded. */
  readonly body: Uint8Array;
  /** Bytes of body that came over the network, before decoding. */
  readonly bytes: number;
}

/**
 * Makes a request and reads the answer's body into memory.
 *
 * @param request What to ask for.
 * @param gate Who decides, on each hop and again while the body comes.
 * @param hooks The kernel's additions.
 * @throws {EgressError} Where there is no whole answer. A status such as 404 is an answer.
 */
export async function request(
  request: HttpRequest,
  gate: Gate,
  hooks: HttpHooks = {},
): Promise<HttpResponse> {
  return await requestPlanned(planRequest(request), gate, hooks, request.signal);
}

/** As {@link request}, for a request that {@link planRequest} has checked; the gate is asked about its very need. */
export async function requestPlanned(
  plan: Plan,
  gate: Gate,
  hooks: HttpHooks,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  const { body, close: _, bytesDown, ...answer } = await start(plan, gate, hooks, signal);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    pieces.push(piece);
    length += piece.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return { ...answer, body: whole, bytes: bytesDown() };
}

/**
 * Makes a request and hands the answer over as soon as its head is there.
 *
 * @param request What to ask for; `timeoutMs` counts until the body's end.
 * @param gate Who decides, on each hop and again while the body comes.
 * @param hooks The kernel's additions.
 * @throws {EgressError} Where there is no answer.
 */
export async function requestStream(
  request: HttpRequest,
  gate: Gate,
  hooks: HttpHooks = {},
): Promise<HttpStream> {
  return await requestStreamPlanned(planRequest(request), gate, hooks, request.signal);
}

/** As {@link requestStream}, for a request that was checked. */
export async function requestStreamPlanned(
  plan: Plan,
  gate: Gate,
  hooks: HttpHooks,
  signal: AbortSignal | undefined,
): Promise<HttpStream> {
  const { bytesDown: _, ...stream } = await start(plan, gate, hooks, signal);
  return stream;
}

async function start(
  plan: Plan,
  gate: Gate,
  hooks: HttpHooks,
  signal: AbortSignal | undefined,
): Promise<HttpStream & { bytesDown: () => number }> {
  const deadline = new Deadline(plan.timeoutMs, plan.hop.target.label, signal);
  try {
    deadline.signal.throwIfAborted();
    let hop = plan.hop;
    for (let redirects = 0;; redirects++) {
      const exchange = new Exchange(hop, gate, hooks, deadline.signal);
      const head = await exchange.open();
      const location = isRedirect(head.status) ? headerOf(head.headers, "location") : null;
      if (plan.redirects === 0 || location === null) {
        return answer(plan, hop, head, redirects, exchange, deadline);
      }
      exchange.finish("ok");
      if (redirects === plan.redirects) {
        throw new EgressError(
          "limit",
          `Cannot follow ${plan.hop.target.label}: more than ${plan.redirects} redirects, the last to ` +
            JSON.stringify(location.slice(0, 200)),
        );
      }
      hop = nextHop(hop, head.status, location, exchange.secret);
    }
  } catch (error) {
    deadline.clear();
    throw error;
  }
}

function nextHop(hop: Hop, status: number, location: string, secret: ReadonlySet<string>): Hop {
  const method = redirectMethod(status, hop.method);
  let url: URL;
  try {
    url = new URL(location, urlOf(hop.target));
  } catch (cause) {
    throw new EgressError(
      "unavailable",
      `Cannot follow ${hop.target.label}: it leads to ${
        JSON.stringify(location.slice(0, 200))
      }, which is no URL`,
      { cause },
    );
  }
  const target = httpTarget(url, method);
  const change = { origin: !sameOrigin(target, hop.target), method: method !== hop.method, secret };
  return {
    target,
    method,
    headers: redirectHeaders(hop.headers, change),
    body: change.method ? null : hop.body,
  };
}

function answer(
  plan: Plan,
  hop: Hop,
  head: ResponseHead,
  redirects: number,
  exchange: Exchange,
  deadline: Deadline,
): HttpStream & { bytesDown: () => number } {
  const encoding = (headerOf(head.headers, "content-encoding") ?? "").toLowerCase();
  const decoded = plan.decode && decodable(encoding) ? encoding : "";
  return {
    status: head.status,
    reason: head.reason,
    headers: head.headers,
    finalUrl: urlOf(hop.target),
    redirects,
    decoded,
    body: bounded(exchange, decoded, plan.maxBytes, hop.target.label, deadline),
    bytesDown: () => exchange.bytesDown,
    close: () => {
      exchange.finish("the reader did not want it");
      deadline.clear();
    },
  };
}

async function* bounded(
  exchange: Exchange,
  encoding: string,
  maxBytes: number,
  label: string,
  deadline: Deadline,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    const raw = exchange.body(maxBytes);
    if (encoding === "") return yield* raw;
    let bytes = 0;
    for await (const piece of decode(raw, encoding)) {
      bytes += piece.length;
      if (bytes > maxBytes) {
        throw new EgressError(
          "limit",
          `Cannot read the answer of ${label}: its body decodes to more than ${maxBytes} bytes`,
        );
      }
      yield piece;
    }
  } finally {
    deadline.clear();
  }
}

/** Ends an exchange when its time is up or its caller says so, with the error to throw. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #from: AbortSignal | undefined;
  readonly #onAbort: () => void;

  constructor(ms: number, label: string, from: AbortSignal | undefined) {
    this.#timer = setTimeout(
      () => this.#controller.abort(new EgressError("timeout", `Cannot finish ${label}: no end in ${ms} ms`)),
      ms,
    );
    this.#from = from;
    this.#onAbort = () => {
      const cause = from!.reason;
      this.#controller.abort(
        new EgressError("cancelled", `Cannot finish ${label}: it was cancelled`, { cause }),
      );
    };
    from?.addEventListener("abort", this.#onAbort, { once: true });
    if (from?.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#from?.removeEventListener("abort", this.#onAbort);
  }
}
