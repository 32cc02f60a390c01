/**
 * The seam between where bytes go and who decides it.
 *
 * Everything in this folder asks a {@link Gate} and never a policy: the kernel adapts an agent's live authority to
 * it with {@link gateOf}, a test passes a few lines. A gate is asked once for the name, before that name is resolved
 * (so that a refused name never reaches a DNS server), then for each address it resolved to, and about the address
 * that was connected to for as long as the connection is open.
 *
 * @module
 */
import { addressAllowed, askFor, type Authority, type Need, type Verdict } from "../../permissions/mod.ts";

/** Decides for one agent, from what it holds at this moment. */
export interface Gate {
  /**
   * May this be reached at all? Asked exactly once for each need, because a grant may be good for a counted number
   * of acts, and this takes one.
   */
  weigh(need: Need, nowMs?: number): Verdict;
  /**
   * May it still be reached, at this address? Asked with the very object that was weighed, as often as there is
   * reason to; decides about name and address together, and takes no further use.
   */
  address(need: Need, ip: string): Verdict;
}

/**
 * The gate of an agent.
 *
 * @param authority What the agent holds; looked at anew each time.
 * @param name The agent's name, for the command that a receipt proposes.
 * @param now Milliseconds since 1970, for rules that end.
 */
export function gateOf(authority: Authority, name: string, now: () => number = Date.now): Gate {
  const named = (verdict: Verdict): Verdict =>
    verdict.allowed
      ? verdict
      : { ...verdict, receipt: { ...verdict.receipt, ask: askFor(verdict.receipt, name) } };
  return {
    weigh: (need, nowMs = now()) => named(authority.weigh(need, nowMs)),
    address: (need, ip) => named(addressAllowed(authority, need, ip, now())),
  };
}

/** Writes a host and port the way a URL does: IPv6 in brackets. */
export function formatAuthority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
