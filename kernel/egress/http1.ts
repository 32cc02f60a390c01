/**
 * Heads of HTTP/1.1 messages, and how long their bodies are.
 *
 * Strict where leniency is how two parsers come to disagree about where a message ends (request smuggling): a
 * message that gives its length twice, folds a header line or puts a space before a colon is refused, not repaired.
 *
 * @module
 */
import { EGRESS_LIMITS } from "./limits.ts";

/** One header line: its name as sent, and its value without surrounding white space. One character a byte. */
export type Header = readonly [name: string, value: string];

/** The first line and the header lines of a request. */
export interface RequestHead {
  /** Verbatim; methods are case-sensitive. */
  readonly method: string;
  /** The request target, verbatim: visible ASCII. */
  readonly target: string;
  /** The minor version of HTTP/1. */
  readonly minor: 0 | 1;
  /** In order, repetitions included. */
  readonly headers: readonly Header[];
}

/** The first line and the header lines of a response. */
export interface ResponseHead {
  /** 100 to 599. */
  readonly status: number;
  /** The reason phrase; often empty. */
  readonly reason: string;
  /** The minor version of HTTP/1. */
  readonly minor: 0 | 1;
  /** In order, repetitions included. */
  readonly headers: readonly Header[];
}

/** How the end of a body is found. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  /** Until the connection ends; only responses. */
  | { readonly kind: "close" };

/** A message that does not follow the grammar, or is not spoken here. */
export class HttpSyntaxError extends Error {
  /** The status an offending request is answered with. */
  readonly status: 400 | 431 | 501 | 505;
  /** @param status See above. @param message A sentence. */
  constructor(status: 400 | 431 | 501 | 505, message: string) {
    super(message);
    this.name = "HttpSyntaxError";
    this.status = status;
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const TARGET = /^[\x21-\x7e]+$/;

/** Whether a text is a header name or a method: a token of RFC 9110 of at most `most` characters. */
export function isToken(text: string, most = 256): boolean {
  return text.length <= most && TOKEN.test(text);
}

/** Whether a text may be a header's value: no CR, LF, NUL or other control character, and nothing beyond a byte. */
export function isHeaderValue(text: string): boolean {
  return VALUE.test(text);
}

/**
 * Parses a request's head, without its final empty line.
 *
 * @throws {HttpSyntaxError}
 */
export function parseRequestHead(text: string, maxHeaders: number = EGRESS_LIMITS.headers): RequestHead {
  const lines = text.split("\r\n", maxHeaders + 2);
  const parts = lines[0]!.split(" ");
  const [method, target, version] = parts;
  if (parts.length !== 3 || !isToken(method!, 32) || !TARGET.test(target!)) {
    throw new HttpSyntaxError(400, "The first line is no HTTP request");
  }
  return {
    method: method!,
    target: target!,
    minor: minorOf(version!),
    headers: parseFields(lines, maxHeaders),
  };
}

/**
 * Parses a response's head, without its final empty line.
 *
 * @throws {HttpSyntaxError}
 */
export function parseResponseHead(text: string, maxHeaders: number = EGRESS_LIMITS.headers): ResponseHead {
  const lines = text.split("\r\n", maxHeaders + 2);
  const match = /^(HTTP\/\d\.\d) ([1-5]\d\d)(?: (.*))?$/.exec(lines[0]!);
  if (match === null || !isHeaderValue(match[3] ?? "")) {
    throw new HttpSyntaxError(400, "The first line is no HTTP response");
  }
  return {
    status: Number(match[2]),
    reason: match[3] ?? "",
    minor: minorOf(match[1]!),
    headers: parseFields(lines, maxHeaders),
  };
}

/** Parses header lines; `lines[0]` is the line before them. */
function parseFields(lines: readonly string[], most: number): Header[] {
  if (lines.length - 1 > most) throw new HttpSyntaxError(431, `More than ${most} header lines`);
  const headers: Header[] = [];
  for (let index = 1; index < lines.length; index++) headers.push(parseField(lines[index]!));
  return headers;
}

/** Parses one header (or trailer) line. Throws {@link HttpSyntaxError}. */
export function parseField(line: string): Header {
  if (line.startsWith(" ") || line.startsWith("\t")) {
    throw new HttpSyntaxError(400, "A header line is folded");
  }
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(colon, 0));
  if (!isToken(name)) throw new HttpSyntaxError(400, "A header line has no proper name");
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
  if (!isHeaderValue(value)) {
    throw new HttpSyntaxError(400, `The header "${name}" contains a control character`);
  }
  return [name, value];
}

function minorOf(version: string): 0 | 1 {
  if (version === "HTTP/1.1") return 1;
  if (version === "HTTP/1.0") return 0;
  if (/^HTTP\/\d\.\d$/.test(version)) throw new HttpSyntaxError(505, "Only HTTP/1.0 and HTTP/1.1 are spoken");
  throw new HttpSyntaxError(400, "The first line is not HTTP");
}

/** How the end of a request's body is found. Throws {@link HttpSyntaxError} where that is not certain. */
export function requestFraming(head: RequestHead): Framing {
  const framing = framingOf(head);
  if (framing === null) return { kind: "none" };
  return framing;
}

/** How the end of a response's body is found. Throws {@link HttpSyntaxError} where that is not certain. */
export function responseFraming(head: ResponseHead, method: string): Framing {
  // Checked even where there is no body: a message that contradicts itself is not passed on.
  const framing = framingOf(head);
  if (method === "HEAD" || head.status < 200 || head.status === 204 || head.status === 304) {
    return { kind: "none" };
  }
  return framing ?? { kind: "close" };
}

function framingOf(head: RequestHead | ResponseHead): Framing | null {
  let length: string | null = null;
  let coding: string | null = null;
  for (const [name, value] of head.headers) {
    switch (name.toLowerCase()) {
      case "content-length":
        if (length !== null) throw new HttpSyntaxError(400, "Content-Length is given more than once");
        length = value;
        break;
      case "transfer-encoding":
        if (coding !== null) throw new HttpSyntaxError(400, "Transfer-Encoding is given more than once");
        coding = value;
        break;
    }
  }
  if (coding !== null) {
    if (length !== null) {
      throw new HttpSyntaxError(400, "Content-Length and Transfer-Encoding are both given");
    }
    if (head.minor === 0) throw new HttpSyntaxError(400, "Transfer-Encoding is given in HTTP/1.0");
    if (coding.toLowerCase() !== "chunked") {
      throw new HttpSyntaxError(501, "Only the transfer coding chunked is spoken");
    }
    return { kind: "chunked" };
  }
  if (length === null) return null;
  // 15 digits stay below 2^53.
  if (!/^\d{1,15}$/.test(length)) throw new HttpSyntaxError(400, "Content-Length is no number");
  return { kind: "length", length: Number(length) };
}
