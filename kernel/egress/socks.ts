/**
 * The server's half of SOCKS5 (RFC 1928): no authentication, CONNECT only.
 *
 * @module
 */
import { isIPv6 } from "node:net";
import type { ByteReader } from "./bytes.ts";
import { type EgressCode, EgressError } from "./errors.ts";
import { type Target, tunnelTarget } from "./target.ts";

/** The first byte of every SOCKS5 conversation. */
export const SOCKS_VERSION = 5;

/** The reply codes that are used, by RFC 1928's names. */
export const SOCKS_REPLY = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;

/** A conversation that ends with these bytes, and then the connection. */
export class SocksError extends Error {
  /** What to send before closing; may be empty. */
  readonly reply: Uint8Array;
  /** @param message A sentence. @param reply See above. */
  constructor(message: string, reply: Uint8Array) {
    super(message);
    this.name = "SocksError";
    this.reply = reply;
  }
}

/** Accepts a connection without authentication. */
export const SOCKS_ACCEPTED: Uint8Array = Uint8Array.of(SOCKS_VERSION, 0);
const NO_METHOD: Uint8Array = Uint8Array.of(SOCKS_VERSION, 0xff);

/** A reply. The bound address is not told: it is the kernel's, not the agent's. */
export function socksReply(code: number): Uint8Array {
  return Uint8Array.of(SOCKS_VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0);
}

/** The reply that comes closest to a failure. */
export function socksCode(code: EgressCode): number {
  switch (code) {
    case "denied":
      return SOCKS_REPLY.notAllowed;
    case "unavailable":
      return SOCKS_REPLY.hostUnreachable;
    case "timeout":
      return SOCKS_REPLY.ttlExpired;
    default:
      return SOCKS_REPLY.generalFailure;
  }
}

/**
 * Reads the greeting. Answer it with {@link SOCKS_ACCEPTED}.
 *
 * @throws {SocksError}
 */
export async function readGreeting(reader: ByteReader): Promise<void> {
  const [version, count] = await bytes(reader, 2);
  if (version !== SOCKS_VERSION || count === 0) {
    throw new SocksError("The greeting is not SOCKS5", new Uint8Array(0));
  }
  const methods = await bytes(reader, count!);
  if (!methods.includes(0)) {
    throw new SocksError("Only the SOCKS5 method without authentication is spoken", NO_METHOD);
  }
}

/**
 * Reads the request and says where it wants to go.
 *
 * @throws {SocksError} With the reply to send.
 */
export async function readSocksRequest(reader: ByteReader): Promise<Target> {
  const [version, command, reserved, type] = await bytes(reader, 4);
  if (version !== SOCKS_VERSION || reserved !== 0) {
    throw new SocksError("The request is not SOCKS5", socksReply(SOCKS_REPLY.generalFailure));
  }
  const host = await readHost(reader, type!);
  const [high, low] = await bytes(reader, 2);
  if (command !== 1) {
    throw new SocksError(
      "Only the SOCKS5 command CONNECT is spoken",
      socksReply(SOCKS_REPLY.commandNotSupported),
    );
  }
  try {
    return tunnelTarget(host, high! * 256 + low!);
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    throw new SocksError(error.message, socksReply(SOCKS_REPLY.generalFailure));
  }
}

async function readHost(reader: ByteReader, type: number): Promise<string> {
  switch (type) {
    case 1:
      return (await bytes(reader, 4)).join(".");
    case 3: {
      const [length] = await bytes(reader, 1);
      const name = String.fromCharCode(...await bytes(reader, length!));
      // An IPv6 address is sent as one (type 4); as a name it would be read by a different parser.
      if (!isIPv6(name)) return name;
      throw new SocksError("An IPv6 address was sent as a name", socksReply(SOCKS_REPLY.generalFailure));
    }
    case 4: {
      const address = await bytes(reader, 16);
      const groups: string[] = [];
      for (let at = 0; at < 16; at += 2) groups.push((address[at]! * 256 + address[at + 1]!).toString(16));
      return groups.join(":");
    }
    default:
      throw new SocksError("No such SOCKS5 address type", socksReply(SOCKS_REPLY.addressTypeNotSupported));
  }
}

async function bytes(reader: ByteReader, count: number): Promise<Uint8Array> {
  const found = await reader.exactly(count);
  if (found === null) {
    throw new SocksError("The connection ended inside the SOCKS5 handshake", new Uint8Array(0));
  }
  return found;
}
