/**
 * What egress bounds, with the reason of each number.
 *
 * @module
 */

/** The bounds of one agent's egress. All are positive; times are milliseconds, sizes bytes. */
export interface EgressLimits {
  /** A request or response head, from its first byte to its empty line. Servers commonly stop at 8 to 32 KiB. */
  readonly headBytes: number;
  /** Header lines in a head. */
  readonly headers: number;
  /** From the first byte of a head (or of a SOCKS greeting) to its last: an honest client sends it in one packet. */
  readonly headMs: number;
  /** Between two requests of a kept connection, and before the first byte of a new one. */
  readonly keepAliveMs: number;
  /** A tunnel or a body on which nothing moves in either direction. Long enough for a held poll. */
  readonly idleMs: number;
  /** Resolving one name. */
  readonly resolveMs: number;
  /** Connecting to one address, TLS not counted. */
  readonly connectMs: number;
  /** Connections an agent may hold to its proxy at once. */
  readonly connections: number;
  /** Of those, tunnels. */
  readonly tunnels: number;
  /** Names being resolved at once; a lookup occupies a thread that nothing can call back. */
  readonly lookups: number;
  /** Addresses of one name that are looked at, and connected to in turn. */
  readonly addresses: number;
  /** Between two looks at whether what is open is still allowed: a rule may simply expire. */
  readonly recheckMs: number;
}

/** The defaults. */
export const EGRESS_LIMITS: EgressLimits = {
  headBytes: 32 * 1024,
  headers: 100,
  headMs: 10_000,
  keepAliveMs: 60_000,
  idleMs: 300_000,
  resolveMs: 5_000,
  connectMs: 10_000,
  connections: 256,
  tunnels: 128,
  lookups: 32,
  addresses: 8,
  recheckMs: 1_000,
};

/** The bounds of one request of the HTTP client, where the request says nothing. */
export const HTTP_LIMITS = {
  /** A request body. */
  bodyBytes: 8 * 1024 * 1024,
  /** A response body, counted after it was decoded. */
  maxBytes: 8 * 1024 * 1024,
  /** The whole exchange, redirects and body included. */
  timeoutMs: 30_000,
  /** The most a request may ask for. */
  timeoutMostMs: 300_000,
  /** Redirects a request may ask to have followed; browsers stop at 20. */
  redirectsMost: 20,
  /** Informational (1xx) answers before the real one. */
  interim: 8,
} as const;
