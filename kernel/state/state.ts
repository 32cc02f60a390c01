/**
 * The state store: keys and JSON values in three scopes, with a time to live, compare-and-set, and watching.
 *
 * A write is decided inside the storage's transaction, where everything before it is visible, and answers when it is
 * durable. A read sees every write that was asked for before it.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { SyscallError } from "@clove/sdk/protocol";
import type { Clock } from "../../worlds/clock.ts";
import type { EventBus } from "../events.ts";
import { LIMITS } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import type { Storage } from "../storage/storage.ts";
import type { Found } from "./cache.ts";
import { Expiry, SWEEP_ROWS } from "./expiry.ts";
import { checkKey, expiryOf, scopeOf, valueText } from "./input.ts";
import {
  accountOf,
  GLOBAL,
  type Namespace,
  namespaceOf,
  privateOf,
  type Scope,
  sessionOf,
} from "./namespaces.ts";
import { KEYS_PAGE_CHARS, type NewRow, Rows } from "./rows.ts";
import { type StateChange, Watcher, Watchers } from "./watch.ts";

/** What to store. */
export interface StoreInput {
  readonly key: string;
  readonly value: unknown;
  /** One of {@link SCOPES}; `global` when absent. */
  readonly scope?: string;
  /** Seconds, with a fraction; for ever when absent. */
  readonly ttl?: number;
}

/** The state that a compare-and-set expects. Exactly one of the three. */
export type Expectation = { readonly value: unknown } | { readonly version: number } | {
  readonly absent: true;
};

/** How a compare-and-set ended, and what is there now. */
export interface CasResult {
  readonly swapped: boolean;
  readonly exists: boolean;
  readonly value: unknown;
  readonly version: number;
}

/** A row, with where it was found. */
export interface FoundIn extends Found {
  readonly scope: Scope;
}

/** Some keys, in order of code points. */
export interface KeysPage {
  readonly keys: string[];
  /** True when there are more; ask again with `after` the last of these. */
  readonly truncated: boolean;
}

/** The service behind `state.*`. */
export class StateStore {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: Pick<EventBus, "emit">;
  readonly #rows: Rows;
  readonly #expiry: Expiry;
  readonly #watchers = new Watchers();
  /** Those whose namespaces will be emptied when they go. */
  readonly #known = new WeakSet<Principal>();
  #closed = false;

  /** Opens what is stored. `events` is told of every change; of private ones only their owner hears. */
  constructor(options: { storage: Storage; clock: Clock; log: Log; events: Pick<EventBus, "emit"> }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#events = options.events;
    this.#rows = new Rows(options.storage, options.clock);
    this.#expiry = new Expiry(this.#rows, this.#clock, {
      swept: ({ namespace, key, version }) => {
        const { id, scope } = namespaceOf(namespace);
        this.#tell({ id, scope }, { action: "expire", key, scope, version, agent_id: 0 }, 0);
      },
      failed: (cause) => this.#log.warn("could not remove expired keys", { cause }),
    });
  }

  /**
   * Stores a value, whoever had stored one there before.
   *
   * @returns Its version, which is higher than any before.
   * @throws {SyscallError} `bad_request`, `limit`, `quota`, `unavailable`.
   */
  async store(caller: Principal, input: StoreInput): Promise<{ version: number }> {
    const write = this.#prepare(caller, input);
    const done = await this.#rows.write(
      [[write.namespace.id, input.key]],
      (rows) => rows.put(write.namespace.id, input.key, write.row),
    );
    if ("refused" in done) throw overQuota(done.refused);
    this.#stored(caller, input, write, done.version);
    return done;
  }

  /**
   * Stores a value if what is there is what the caller expects.
   *
   * @throws {SyscallError} As {@link store}; a value that is not as expected is no error.
   */
  async compareAndSet(caller: Principal, input: StoreInput, expected: Expectation): Promise<CasResult> {
    const write = this.#prepare(caller, input);
    const { id } = write.namespace;
    // As it would look when it had been stored: -0 is 0.
    const wanted = "value" in expected ? { value: JSON.parse(valueText(expected.value).text) } : expected;
    const done = await this.#rows.write([[id, input.key]], (rows) => {
      const current = this.#rows.read(id, input.key);
      return isAsExpected(current, wanted) ? rows.put(id, input.key, write.row) : { current };
    });
    if ("refused" in done) throw overQuota(done.refused);
    if ("current" in done) {
      const { current } = done;
      const { value, version } = current ?? { value: null, version: 0 };
      return { swapped: false, exists: current !== null, value, version };
    }
    this.#stored(caller, input, write, done.version);
    return { swapped: true, exists: true, value: input.value, version: done.version };
  }

  /**
   * Finds a value: in the scope that is named, else the caller's own first (session, agent, global), so that nobody
   * can put something in front of what an agent keeps for itself.
   *
   * @throws {SyscallError} `bad_request`, `limit`, `unavailable`.
   */
  fetch(caller: Principal, key: string, scope?: string): FoundIn | null {
    checkKey(key);
    for (const namespace of readable(caller, scope)) {
      const found = this.#rows.read(namespace.id, key);
      if (found) return { ...found, scope: namespace.scope };
    }
    return null;
  }

  /**
   * Removes a key: the one that {@link fetch} would find. Private keys are their owner's alone, global ones everyone's.
   *
   * @returns The scope it was in, or null when there was none.
   * @throws {SyscallError} `bad_request`, `limit`, `unavailable`.
   */
  async remove(caller: Principal, key: string, scope?: string): Promise<Scope | null> {
    // Nothing there: nothing to wait for.
    if (this.fetch(caller, key, scope) === null) return null;
    const namespaces = readable(caller, scope);
    const done = await this.#rows.write(namespaces.map(({ id }) => [id, key]), (rows) => {
      for (const namespace of namespaces) {
        const removed = rows.remove(namespace.id, key);
        if (removed) return { namespace, version: removed.version };
      }
      return null;
    });
    if (!done) return null;
    const { namespace, version } = done;
    this.#tell(namespace, { action: "delete", key, scope: namespace.scope, version, agent_id: caller.id }, 0);
    return namespace.scope;
  }

  /**
   * Lists keys that begin with `prefix` and stand behind `after`, in order of code points: at most `limit`, and not
   * more text than fits a frame.
   *
   * @throws {SyscallError} `bad_request`, `unavailable`.
   */
  keys(
    caller: Principal,
    options: { prefix?: string; scope?: string; after?: string; limit?: number } = {},
  ): KeysPage {
    const { prefix = "", after = "", limit = LIMITS.listEntries } = options;
    // One more than asked for, of each, tells whether there are more in all.
    const lists = readable(caller, options.scope)
      .map(({ id }) => this.#rows.keys(id, prefix, after, limit + 1))
      .filter((list) => list.length > 0);
    const all = lists.length <= 1 ? lists[0] ?? [] : [...new Set(lists.flat())].sort(byCodePoint);
    let chars = 0;
    const fits = all.findIndex((key, index) => index === limit || (chars += key.length) > KEYS_PAGE_CHARS);
    return fits < 0 ? { keys: all, truncated: false } : { keys: all.slice(0, fits), truncated: true };
  }

  /**
   * Watches keys that begin with `prefix`, from now on.
   *
   * @throws {SyscallError} `bad_request`, `unavailable`.
   */
  watch(caller: Principal, prefix: string, scope = "global"): { watcher: Watcher; stop: () => void } {
    const watcher = new Watcher(prefix);
    return { watcher, stop: this.#watchers.add(readable(caller, scope), watcher) };
  }

  /** What a principal's account holds, for metrics; null for operators, who have no limit. */
  usageOf(principal: Principal): { readonly keys: number; readonly bytes: number } | null {
    const account = accountOf(principal);
    return account === null ? null : this.#rows.usage.of(account);
  }

  /** Stops what goes on by itself. The storage is closed by its owner. */
  close(): void {
    this.#closed = true;
    this.#expiry.close();
  }

  #prepare(caller: Principal, { key, value, scope, ttl }: StoreInput): Write {
    checkKey(key);
    const namespace = this.#writable(caller, scopeOf(scope ?? "global"));
    const expires = expiryOf(ttl, this.#clock.now());
    return { namespace, row: { ...valueText(value), expires, account: accountOf(caller) ?? "" } };
  }

  #stored(caller: Principal, { key, value }: StoreInput, { namespace, row }: Write, version: number): void {
    if (row.expires !== null) this.#expiry.at(row.expires);
    const change: StateChange = {
      action: "store",
      key,
      scope: namespace.scope,
      value,
      version,
      agent_id: caller.id,
    };
    this.#tell(namespace, change, row.bytes);
  }

  #writable(caller: Principal, scope: Scope): Namespace {
    if (scope === "global") return GLOBAL;
    if (caller.gone) throw new SyscallError("cancelled", "Cannot store: the caller has gone");
    if (!this.#known.has(caller)) {
      this.#known.add(caller);
      caller.onGone(() => this.#forget(caller));
    }
    return scope === "agent" ? privateOf(caller)[0]! : sessionOf(caller);
  }

  /** What belongs to a number goes with it; nobody waits for that. */
  #forget(principal: Principal): void {
    this.#rows.settle(); // What is queued counts only once it ran.
    for (const id of [sessionOf(principal).id, `a:#${principal.id}`]) {
      if (this.#rows.usage.keysIn(id) === 0) continue;
      this.#empty(id).catch((cause) => {
        if (!this.#closed) this.#log.warn("could not remove the keys of a session", { cause });
      });
    }
  }

  async #empty(namespace: string): Promise<void> {
    let removed = SWEEP_ROWS;
    while (removed === SWEEP_ROWS && !this.#closed) {
      removed = (await this.#rows.write([], (rows) => rows.empty(namespace, SWEEP_ROWS))).length;
    }
  }

  #tell(namespace: Namespace, change: StateChange, bytes: number): void {
    this.#watchers.tell(namespace.id, change, bytes);
    const { value: _, ...data } = change;
    const audience = namespace.scope === "global" ? undefined : (principal: Principal): boolean => {
      return readable(principal, namespace.scope).some(({ id }) => id === namespace.id);
    };
    this.#events.emit("STATE_CHANGED", data, change.agent_id, audience);
  }
}

/** A checked write. */
interface Write {
  readonly namespace: Namespace;
  readonly row: NewRow;
}

/** Where a read looks, in order. */
function readable(caller: Principal, scope?: string): readonly Namespace[] {
  switch (scope === undefined ? undefined : scopeOf(scope)) {
    case "global":
      return [GLOBAL];
    case "agent":
      return privateOf(caller);
    case "session":
      return [sessionOf(caller)];
    default:
      return [sessionOf(caller), ...privateOf(caller), GLOBAL];
  }
}

function isAsExpected(current: Found | null, expected: Expectation): boolean {
  if ("absent" in expected) return current === null;
  if ("version" in expected) return (current?.version ?? 0) === expected.version;
  return current !== null && isDeepStrictEqual(current.value, expected.value);
}

function overQuota(reason: string): SyscallError {
  return new SyscallError("quota", `Cannot store the key: ${reason}, delete some`);
}

/** The order of SQLite, which is not the order of JavaScript where surrogates are involved. */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i), right = b.charCodeAt(i);
    if (left === right) continue;
    const leftHigh = left >= 0xd800 && left <= 0xdfff, rightHigh = right >= 0xd800 && right <= 0xdfff;
    if (leftHigh !== rightHigh) return leftHigh ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}
