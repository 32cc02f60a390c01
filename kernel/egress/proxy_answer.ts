/**
 * What the proxy says itself, as JSON: the same shape as a refused syscall.
 *
 * @module
 */
import type { Receipt } from "../../permissions/mod.ts";
import type { HeadError } from "./bytes.ts";
import { type EgressCode, EgressError } from "./errors.ts";
import type { HttpSyntaxError, RequestHead } from "./http1.ts";

/** A status and what is said with it. */
export interface Answer {
  /** 400 to 505. */
  readonly status: number;
  /** The kind of failure. */
  readonly code: EgressCode;
  /** A sentence. */
  readonly error: string;
  /** What was missing, for 403. */
  readonly receipt: Receipt | null;
}

const STATUS: Readonly<Record<EgressCode, number>> = {
  bad_request: 400,
  denied: 403,
  limit: 503,
  timeout: 504,
  cancelled: 502,
  unavailable: 502,
};

/** For a client that has not shown the proxy's credential. */
export const PROVE_YOURSELF: Answer = {
  status: 407,
  code: "denied",
  error: "Cannot use this proxy: it belongs to an agent, which has its user and password in HTTP_PROXY",
  receipt: null,
};

const REASON: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** The answer for a failure. */
export function answerFor(error: EgressError | HttpSyntaxError | HeadError, status?: number): Answer {
  if (error instanceof EgressError) {
    return { status: STATUS[error.code], code: error.code, error: error.message, receipt: error.receipt };
  }
  return { status: status ?? error.status, code: "bad_request", error: error.message, receipt: null };
}

/** The bytes of an answer. A HEAD request gets its head alone; without a request, or `keep`, it is the last. */
export function formatAnswer(answer: Answer, head: RequestHead | null, keep: boolean): string {
  const { status, receipt, code, error } = answer;
  // ASCII, so that a character is a byte.
  const body = JSON.stringify({ success: false, error, code, ...(receipt === null ? {} : { receipt }) })
    .replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`) + "\n";
  return `HTTP/1.1 ${status} ${
    REASON[status]
  }\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n` +
    `cache-control: no-store\r\n${status === 407 ? 'proxy-authenticate: Basic realm="clove"\r\n' : ""}${
      keep ? "" : "connection: close\r\n"
    }\r\n${head?.method === "HEAD" ? "" : body}`;
}
