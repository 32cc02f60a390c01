/**
 * What may be asked of the HTTP client, and what it takes from that.
 *
 * @module
 */
import { ACCEPT_ENCODING } from "./decode.ts";
import type { OnDecision } from "./decision.ts";
import { EgressError } from "./errors.ts";
import { endToEnd, headerOf } from "./headers.ts";
import { type Header, isHeaderValue, isToken } from "./http1.ts";
import { EGRESS_LIMITS, type EgressLimits, HTTP_LIMITS } from "./limits.ts";
import type { Resolver } from "./resolve.ts";
import type { Substitute } from "./secrets.ts";
import type { PassageWatch } from "./watch.ts";
import { hostHeader, parseHttpTarget, type Target } from "./target.ts";

/** One request. */
export interface HttpRequest {
  /** An absolute http or https URL, without user information. */
  readonly url: string;
  /** `GET` unless told otherwise; sent verbatim. CONNECT and TRACE are refused. */
  readonly method?: string;
  /** Sent as given, but for those that belong to the connection. Accept-Encoding is added where it is absent. */
  readonly headers?: Readonly<Record<string, string>> | readonly Header[];
  /** Text is sent as UTF-8. */
  readonly body?: string | Uint8Array;
  /** Milliseconds for the whole exchange, redirects and streamed body included: 30,000, at most 300,000. */
  readonly timeoutMs?: number;
  /** The most bytes of body to accept, decoded: 8 MiB. */
  readonly maxBytes?: number;
  /** How many redirects to follow, 0 to 20: 0 hands the redirect itself over. */
  readonly redirects?: number;
  /** Whether gzip, deflate and br are decoded: true. */
  readonly decode?: boolean;
  /** Ends the exchange; it fails with `cancelled`. */
  readonly signal?: AbortSignal;
}

/** What the kernel adds to a request. */
export interface HttpHooks {
  /** The agent's number, for {@link OnDecision}. */
  readonly agent?: number;
  /** Puts sealed secrets into header values. */
  readonly substitute?: Substitute;
  /** Receives each hop's decision. */
  readonly onDecision?: OnDecision;
  /** Resolves names; one shared by all callers unless given. */
  readonly resolver?: Resolver;
  /** Watches each hop while it is open. */
  readonly watch?: PassageWatch;
  /** Certificates (PEM) to trust beside the usual ones. */
  readonly ca?: readonly string[];
  /** Bounds to change; see {@link EGRESS_LIMITS}. */
  readonly limits?: Partial<EgressLimits>;
}

/** One hop: what is sent where. Header values still hold placeholders. */
export interface Hop {
  /** Where to. */
  readonly target: Target;
  /** Verbatim. */
  readonly method: string;
  /** End-to-end headers, without Host and Content-Length. */
  readonly headers: readonly Header[];
  /** null sends none. */
  readonly body: Uint8Array | null;
}

/** A request that was checked. */
export interface Plan {
  /** The first hop. */
  readonly hop: Hop;
  /** See {@link HttpRequest}. */
  readonly timeoutMs: number;
  /** See {@link HttpRequest}. */
  readonly maxBytes: number;
  /** See {@link HttpRequest}. */
  readonly redirects: number;
  /** See {@link HttpRequest}. */
  readonly decode: boolean;
}

/**
 * Checks a request. Touches nothing.
 *
 * @throws {EgressError} `bad_request` or `limit`.
 */
export function planRequest(request: HttpRequest): Plan {
  const method = checkMethod(request.method ?? "GET");
  const target = parseHttpTarget(request.url, method);
  const body = bodyBytes(request.body);
  return {
    hop: { target, method, headers: checkHeaders(request.headers ?? {}, target), body },
    timeoutMs: within("timeoutMs", request.timeoutMs ?? HTTP_LIMITS.timeoutMs, 1, HTTP_LIMITS.timeoutMostMs),
    maxBytes: within("maxBytes", request.maxBytes ?? HTTP_LIMITS.maxBytes, 0, Number.MAX_SAFE_INTEGER),
    redirects: within("redirects", request.redirects ?? 0, 0, HTTP_LIMITS.redirectsMost),
    decode: request.decode ?? true,
  };
}

/** Refuses what is no method, and the two that are not requests for a resource. Throws {@link EgressError}. */
export function checkMethod(method: string): string {
  if (!isToken(method, 32)) {
    throw new EgressError(
      "bad_request",
      `Cannot use the method ${JSON.stringify(method.slice(0, 40))}: it is no token`,
    );
  }
  // TRACE answers with the request's headers, and so with whatever secret was put into them.
  if (/^(?:connect|trace|track)$/i.test(method)) {
    throw new EgressError(
      "bad_request",
      `Cannot use the method "${method}": it is not sent on anybody's behalf`,
    );
  }
  return method;
}

function checkHeaders(given: NonNullable<HttpRequest["headers"]>, target: Target): Header[] {
  const lines: readonly Header[] = Array.isArray(given) ? given as readonly Header[] : Object.entries(given);
  if (lines.length > EGRESS_LIMITS.headers) {
    throw new EgressError(
      "limit",
      `Cannot send ${lines.length} headers: the limit is ${EGRESS_LIMITS.headers}`,
    );
  }
  let bytes = 0;
  const checked = lines.map(([name, text]): Header => {
    const quoted = JSON.stringify(name.slice(0, 80));
    if (!isToken(name)) {
      throw new EgressError("bad_request", `Cannot send the header ${quoted}: its name is no token`);
    }
    if (!isHeaderValue(text)) {
      throw new EgressError(
        "bad_request",
        `Cannot send the header ${quoted}: its value contains a control character or is not Latin-1`,
      );
    }
    bytes += name.length + text.length + 4;
    return [name, text.replace(/^[ \t]+|[ \t]+$/g, "")];
  });
  if (bytes > EGRESS_LIMITS.headBytes) {
    throw new EgressError(
      "limit",
      `Cannot send ${bytes} bytes of headers: the limit is ${EGRESS_LIMITS.headBytes}`,
    );
  }
  const host = headerOf(checked, "host");
  if (host !== null && host.toLowerCase() !== hostHeader(target)) {
    throw new EgressError(
      "bad_request",
      `Cannot send the header "host" as ${JSON.stringify(host.slice(0, 80))}: the URL says "${
        hostHeader(target)
      }"`,
    );
  }
  const headers = endToEnd(checked, ["host", "content-length", "expect"]);
  if (headerOf(headers, "accept-encoding") === null) headers.push(["accept-encoding", ACCEPT_ENCODING]);
  if (headerOf(headers, "user-agent") === null) headers.push(["user-agent", "clove"]);
  if (headerOf(headers, "accept") === null) headers.push(["accept", "*/*"]);
  return headers;
}

function bodyBytes(body: HttpRequest["body"]): Uint8Array | null {
  if (body === undefined) return null;
  // A string has at least as many bytes as characters: refuse it before it is copied.
  if (body.length <= HTTP_LIMITS.bodyBytes) {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    if (bytes.length <= HTTP_LIMITS.bodyBytes) return bytes;
  }
  throw new EgressError(
    "limit",
    `Cannot send a body of ${body.length} bytes: the limit is ${HTTP_LIMITS.bodyBytes}`,
  );
}

function within(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new EgressError(
    "bad_request",
    `Cannot use ${name} ${value}: it is a whole number from ${least} to ${most}`,
  );
}
