/**
 * The seam between where bytes go and who decides it.
 *
 * Everything in this folder asks a {@link Gate} and never a policy: the kernel adapts an agent's live authority to
 * it, a test passes a few lines. A gate is asked twice for every connection: once for the name, before that name is
 * resolved (so that a refused name never reaches a DNS server), and once for each address it resolved to.
 *
 * @module
 */

/** What a refused request lacked, in policy syntax, and how to ask for it. */
export interface Receipt {
  /** What was needed, such as `net:https://api.github.com GET /user`. */
  readonly need: string;
  /** The rule that decided, in words, such as `level sandboxed: no rule allows net`. */
  readonly rule: string;
  /** The rule text that would have allowed it. */
  readonly missing: string;
  /** A command that asks for it. */
  readonly ask: string;
}

/** The outcome of asking a gate. */
export type Verdict =
  | { readonly allowed: true; readonly rule: string }
  | { readonly allowed: false; readonly reason: string; readonly receipt: Receipt };

/** One place somebody wants to reach, as precisely as it is known. */
export interface Target {
  /** `http` and `https` for a request; `tcp` for a tunnel, whose content nobody sees. */
  readonly scheme: "http" | "https" | "tcp";
  /** Canonical host: lower case, no trailing dot, IPv4 dotted, IPv6 compressed and without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Method, as sent; absent for a tunnel. */
  readonly method?: string;
  /** Path with its query, as sent; absent for a tunnel. */
  readonly path?: string;
}

/** Decides for one agent, from what it holds at this moment. Called on every hop, and often again while bytes flow. */
export interface Gate {
  /** May this target be reached at all? Asked before anything is resolved. */
  weigh(target: Target, nowMs?: number): Verdict;
  /** May this target be reached at this address? `ip` is what a connection would be made to. */
  address(target: Target, ip: string): Verdict;
}

/** Writes a host and port the way a URL does: IPv6 in brackets. */
export function formatAuthority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Writes a target for people and logs. The query is left out: it is where tokens travel. */
export function formatTarget(target: Target): string {
  const authority = formatAuthority(target.host, target.port);
  if (target.path === undefined) return `${target.scheme}://${authority}`;
  const query = target.path.indexOf("?");
  return `${target.scheme}://${authority}${query < 0 ? target.path : target.path.slice(0, query)}`;
}

/** Asks both questions again, for a connection that is already open. */
export function weighAgain(gate: Gate, target: Target, ip: string | null, nowMs: number): Verdict {
  const verdict = gate.weigh(target, nowMs);
  return verdict.allowed && ip !== null ? gate.address(target, ip) : verdict;
}
