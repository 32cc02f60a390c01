/**
 * Connections to addresses that were checked.
 *
 * @module
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, rootCertificates } from "node:tls";
import { ConnectionClosed, EgressError, reasonOf } from "./errors.ts";
import { formatAuthority } from "./gate.ts";
import { EGRESS_LIMITS } from "./limits.ts";
import type { CheckedAddress } from "./resolve.ts";
import type { Target } from "./target.ts";

/** How a connection is made. */
export interface ConnectOptions {
  /** Milliseconds for each address. */
  readonly connectMs?: number;
  /** Ends the attempt; its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Certificates (PEM) to trust beside the usual ones, for TLS. */
  readonly ca?: readonly string[];
}

/** An open connection. Paused, without listeners of ours. */
export interface Connection {
  /** The socket; a TLS socket for https. */
  readonly socket: Socket;
  /** The address it was made to. */
  readonly ip: string;
}

/**
 * Connects to the first address that answers.
 *
 * @param target Its port is used, and its host as the name TLS must prove; its host is not resolved.
 * @param addresses What was checked, in the order to try.
 * @throws {EgressError} `unavailable` or `timeout`, with the last address's reason; or the signal's reason.
 */
export async function connectChecked(
  target: Target,
  addresses: readonly CheckedAddress[],
  options: ConnectOptions = {},
): Promise<Connection> {
  let last: unknown = null;
  for (const { ip } of addresses) {
    options.signal?.throwIfAborted();
    try {
      const socket = await open(target, ip, options);
      return { socket: target.scheme === "https" ? await secure(socket, target, options) : socket, ip };
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      last = error;
    }
  }
  if (last instanceof EgressError) throw last;
  throw new EgressError("unavailable", `Cannot connect to ${target.label}: ${reasonOf(last)}`, {
    cause: last,
  });
}

function open(target: Target, ip: string, options: ConnectOptions): Promise<Socket> {
  const connectMs = options.connectMs ?? EGRESS_LIMITS.connectMs;
  // An address, so node:net asks no resolver; half-open, because a tunnel passes on who has finished.
  const socket = connectTcp({ host: ip, port: target.port, allowHalfOpen: target.scheme !== "https" });
  socket.setNoDelay(true);
  return settle(
    socket,
    "connect",
    options.signal,
    connectMs,
    () => `Cannot connect to ${formatAuthority(ip, target.port)}: no answer in ${connectMs} ms`,
  );
}

function secure(raw: Socket, target: Target, options: ConnectOptions): Promise<Socket> {
  const connectMs = options.connectMs ?? EGRESS_LIMITS.connectMs;
  const socket = connectTls({
    socket: raw,
    host: target.host,
    // Only names go into SNI; an address is checked against the certificate through `host`.
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
    ...(options.ca === undefined ? {} : { ca: [...rootCertificates, ...options.ca] }),
    ALPNProtocols: ["http/1.1"],
  });
  return settle(
    socket,
    "secureConnect",
    options.signal,
    connectMs,
    () => `Cannot agree on TLS with ${target.label}: no answer in ${connectMs} ms`,
  );
}

/** Waits for a socket to become ready, or destroys it. */
function settle(
  socket: Socket,
  event: "connect" | "secureConnect",
  signal: AbortSignal | undefined,
  ms: number,
  late: () => string,
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const fail = (error: unknown) => {
    reject(error);
    socket.destroy();
  };
  const onAbort = () => fail(signal!.reason);
  const onClose = () => fail(new ConnectionClosed());
  const timer = setTimeout(() => fail(new EgressError("timeout", late())), ms);
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.once("error", fail);
  socket.once("close", onClose);
  socket.once(event, () => resolve(socket));
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    socket.off("close", onClose);
    // The "error" listener stays: an error between here and the next reader must not end the process.
  });
}
