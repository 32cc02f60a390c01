/**
 * The server's half of SOCKS5 (RFC 1928): CONNECT only, with a password (RFC 1929) where the proxy has one.
 *
 * @module
 */
import { isIPv6 } from "node:net";
import type { ByteReader } from "./bytes.ts";
import type { Credential } from "./credential.ts";
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

/** The methods of authentication that are spoken. */
const METHOD = { none: 0, password: 2 } as const;
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
 * Reads the greeting, agrees on a method, and has the client prove itself where there is a credential.
 *
 * @throws {SocksError}
 */
export async function greetSocks(
  reader: ByteReader,
  write: (bytes: Uint8Array) => Promise<void>,
  credential: Credential | undefined,
): Promise<void> {
  const [version, count] = await bytes(reader, 2);
  if (version !== SOCKS_VERSION || count === 0) {
    throw new SocksError("The greeting is not SOCKS5", new Uint8Array(0));
  }
  const methods = await bytes(reader, count!);
  const method = credential === undefined ? METHOD.none : METHOD.password;
  if (!methods.includes(method)) {
    const only = credential === undefined ? "without authentication" : "with user and password";
    throw new SocksError(`Only the SOCKS5 method ${only} is spoken`, NO_METHOD);
  }
  await write(Uint8Array.of(SOCKS_VERSION, method));
  if (credential === undefined) return;
  const [negotiation, length] = await bytes(reader, 2);
  const user = await bytes(reader, length!);
  const password = await bytes(reader, (await bytes(reader, 1))[0]!);
  const text = (from: Uint8Array) => String.fromCharCode(...from);
  if (negotiation !== 1 || !credential.matches(text(user), text(password))) {
    throw new SocksError("The client did not prove itself", Uint8Array.of(1, 1));
  }
  await write(Uint8Array.of(1, 0));
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
