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

/** A capability somebody needs, for one target. */
export interface Need {
  /** `net`, here always. */
  readonly capability: "net";
  /** The place, such as `https://api.github.com/user` or `tcp://example.com:22`. */
  readonly target: string;
  /** The HTTP method; absent for a tunnel. */
  readonly method?: string;
}

/** The need of one HTTP request. */
export function netNeed(url: string | URL, method?: string): Need {
  return { capability: "net", target: String(url), ...(method === undefined ? {} : { method }) };
}

/** The need of a connection whose content nobody sees. */
export function connectNeed(scheme: string, host: string, port: number): Need {
  return { capability: "net", target: `${scheme}://${formatAuthority(host, port)}` };
}

/** Decides for one agent, from what it holds at this moment. Called on every hop, and often again while bytes flow. */
export interface Gate {
  /** May this be reached at all? Asked before anything is resolved. */
  weigh(need: Need, nowMs?: number): Verdict;
  /** May it be reached at this address? `ip` is what a connection would be made to. */
  address(need: Need, ip: string): Verdict;
}

/** Writes a host and port the way a URL does: IPv6 in brackets. */
export function formatAuthority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Asks both questions again, for a connection that is already open (`ip`), or only the first (`null`). */
export function weighAgain(gate: Gate, need: Need, ip: string | null, nowMs: number): Verdict {
  const verdict = gate.weigh(need, nowMs);
  return verdict.allowed && ip !== null ? gate.address(need, ip) : verdict;
}
