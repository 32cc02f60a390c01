/**
 * From a name to the addresses a connection may be made to.
 *
 * The kernel resolves, checks every address it got, and connects to one that was checked. Nothing resolves a second
 * time between the check and the connection, so a name that answers differently the next time (DNS rebinding) gains
 * nothing.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Refused } from "../../permissions/mod.ts";
import { EgressError, reasonOf } from "./errors.ts";
import type { Gate } from "./gate.ts";
import { EGRESS_LIMITS } from "./limits.ts";
import type { Target } from "./target.ts";

/** Asks for every address of a name. Throws where there is none. Need not be quick, nor honest. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** An address that the gate allowed, and the rule that did. */
export interface CheckedAddress {
  /** IPv4 or IPv6, as it will be connected to. */
  readonly ip: string;
  /** The rule that allowed it. */
  readonly rule: string;
}

/** The machine's own resolver: `/etc/hosts`, then DNS. */
export const systemLookup: Lookup = async (host) => {
  const found = await lookup(host, { all: true, order: "verbatim" });
  return found.map(({ address }) => address);
};

/** What a {@link Resolver} may be told. */
export interface ResolverOptions {
  /** Where answers come from; {@link systemLookup} unless told otherwise. */
  readonly lookup?: Lookup;
  /** Milliseconds one name may take. */
  readonly timeoutMs?: number;
  /** Lookups under way at once; more are refused. A lookup that timed out still counts until it returns. */
  readonly inFlight?: number;
  /** Addresses of one name that are looked at. */
  readonly addresses?: number;
}

/** Resolves names for one agent, so that one agent's slow names do not use up another's share of lookups. */
export class Resolver {
  readonly #lookup: Lookup;
  readonly #timeoutMs: number;
  readonly #most: number;
  readonly #addresses: number;
  #inFlight = 0;

  /** @param options Bounds, and where answers come from. */
  constructor(options: ResolverOptions = {}) {
    this.#lookup = options.lookup ?? systemLookup;
    this.#timeoutMs = options.timeoutMs ?? EGRESS_LIMITS.resolveMs;
    this.#most = options.inFlight ?? EGRESS_LIMITS.lookups;
    this.#addresses = options.addresses ?? EGRESS_LIMITS.addresses;
  }

  /** Lookups under way, the timed-out ones among them. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Resolves a target and asks the gate about each address.
   *
   * @param target Where to; an address is its own answer.
   * @param gate Who decides. Its first question, about the name, must have been asked already.
   * @param signal Ends the wait.
   * @returns At least one address, in the resolver's order; or the gate's refusal of the first one it refused.
   * @throws {EgressError} `unavailable` where there is no address, `timeout`, `limit`, `cancelled`.
   */
  async resolve(
    target: Target,
    gate: Gate,
    signal?: AbortSignal,
  ): Promise<
    { readonly addresses: readonly CheckedAddress[] } | {
      readonly refused: Refused;
      readonly ip: string;
    }
  > {
    const { host } = target;
    const found = isIP(host) === 0 ? await this.#ask(host, signal) : [host];
    const addresses: CheckedAddress[] = [];
    let refused: { refused: Refused; ip: string } | null = null;
    for (const ip of found.slice(0, this.#addresses)) {
      // A zone ("fe80::1%eth0") would choose the interface; nothing that is not a plain address is connected to.
      if (isIP(ip) === 0 || ip.includes("%")) continue;
      const verdict = gate.address(target.need, ip);
      if (verdict.allowed) addresses.push({ ip, rule: verdict.rule });
      else refused ??= { refused: verdict, ip };
    }
    if (addresses.length > 0) return { addresses };
    if (refused !== null) return refused;
    throw new EgressError("unavailable", `Cannot resolve "${host}": it has no address`);
  }

  async #ask(host: string, signal?: AbortSignal): Promise<readonly string[]> {
    if (this.#inFlight >= this.#most) {
      throw new EgressError(
        "limit",
        `Cannot resolve "${host}": ${this.#inFlight} names are being resolved already, wait for them`,
      );
    }
    signal?.throwIfAborted();
    this.#inFlight++;
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    const onAbort = () => reject(signal!.reason);
    const timer = setTimeout(
      () =>
        reject(new EgressError("timeout", `Cannot resolve "${host}": no answer in ${this.#timeoutMs} ms`)),
      this.#timeoutMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#lookup(host).then(
      resolve,
      (error) =>
        reject(
          new EgressError("unavailable", `Cannot resolve "${host}": ${reasonOf(error)}`, { cause: error }),
        ),
    ).finally(() => this.#inFlight--);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }
}
