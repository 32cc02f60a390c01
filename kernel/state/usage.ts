/**
 * How much is stored, for limits and for knowing without a look that a namespace is empty.
 *
 * @module
 */
import { LIMITS } from "../limits.ts";

/** What one step of a write changed. */
export interface Delta {
  readonly namespace: string;
  /** Empty when nobody pays. */
  readonly account: string;
  readonly keys: number;
  /** Of keys and values, in UTF-8. */
  readonly bytes: number;
}

/** Keys and bytes per account, keys per namespace. */
export class Usage {
  readonly #accounts = new Map<string, { keys: number; bytes: number }>();
  readonly #namespaces = new Map<string, number>();

  /** Counts a change; `sign` -1 takes it back. */
  apply({ namespace, account, keys, bytes }: Delta, sign: 1 | -1 = 1): void {
    const inNamespace = (this.#namespaces.get(namespace) ?? 0) + sign * keys;
    if (inNamespace > 0) this.#namespaces.set(namespace, inNamespace);
    else this.#namespaces.delete(namespace);
    if (account === "") return;
    const used = this.#accounts.get(account) ?? { keys: 0, bytes: 0 };
    used.keys += sign * keys;
    used.bytes += sign * bytes;
    if (used.keys > 0) this.#accounts.set(account, used);
    else this.#accounts.delete(account);
  }

  /** Keys in a namespace, expired ones that were not swept yet included. */
  keysIn(namespace: string): number {
    return this.#namespaces.get(namespace) ?? 0;
  }

  /** What an account holds. */
  of(account: string): { readonly keys: number; readonly bytes: number } {
    return this.#accounts.get(account) ?? { keys: 0, bytes: 0 };
  }

  /** Why an account may not have `keys` and `bytes` more, or null when it may. */
  refusal(account: string, keys: number, bytes: number): string | null {
    if (account === "" || (keys <= 0 && bytes <= 0)) return null;
    const used = this.of(account);
    if (used.keys + keys > LIMITS.keysPerAgent) {
      return `"${account}" and what it spawned own ${used.keys} keys, the limit is ${LIMITS.keysPerAgent}`;
    }
    if (used.bytes + bytes > LIMITS.stateBytesPerAgent) {
      return `"${account}" and what it spawned hold ${used.bytes} bytes, the limit is ${LIMITS.stateBytesPerAgent}`;
    }
    return null;
  }
}
