/**
 * Who is who. A principal is one identity: an operator's connection, a spawned agent (through all its restarts and
 * connections), or a remote agent. All have numbers from one counter, and numbers are never used again.
 *
 * @module
 */
import type { Authority } from "../permissions/mod.ts";

/** What kind of identity stands behind a connection. */
export type PrincipalKind = "operator" | "agent" | "remote";

/** One identity, with what it may do and what must be cleaned up when it goes. */
export class Principal {
  readonly id: number;
  readonly kind: PrincipalKind;
  /** The agent that spawned it; null for operators, and for what they spawned. */
  readonly parent: Principal | null;
  /** The live tree of what it may do. */
  readonly authority: Authority;
  /** An agent's own name, else the last one registered, else empty. */
  name: string;
  /** Every name that leads to it. */
  readonly names: Set<string> = new Set();
  /** Open connections. */
  connections = 0;
  /** Calls made, for metrics and `why`; `checks` are what Deno asked, `bytesUp` and `bytesDown` went over the network. */
  readonly counts = {
    syscalls: 0,
    checks: 0,
    denials: 0,
    sent: 0,
    received: 0,
    bytesRead: 0,
    bytesWritten: 0,
    bytesUp: 0,
    bytesDown: 0,
  };
  /** Undone when the principal goes, last first. */
  readonly #cleanups: (() => void)[] = [];
  /** True once {@link dispose} ran. */
  gone = false;

  /** Called by {@link Principals} only. */
  constructor(
    id: number,
    kind: PrincipalKind,
    options: { authority: Authority; parent?: Principal | null; name?: string },
  ) {
    this.id = id;
    this.kind = kind;
    this.authority = options.authority;
    this.parent = options.parent ?? null;
    this.name = options.name ?? "";
  }

  /** How people see it: `planner (7)`, `operator (3)`. */
  get label(): string {
    return `${this.name || this.kind} (${this.id})`;
  }

  /** True when `other` is this principal or was spawned by it, at whatever remove. */
  isAbove(other: Principal): boolean {
    for (let at: Principal | null = other; at; at = at.parent) if (at === this) return true;
    return false;
  }

  /** Registers work for when the principal goes. */
  onGone(cleanup: () => void): void {
    if (this.gone) cleanup();
    else this.#cleanups.push(cleanup);
  }

  /** Runs the clean-ups once. */
  dispose(): void {
    if (this.gone) return;
    this.gone = true;
    for (const cleanup of this.#cleanups.splice(0).reverse()) cleanup();
  }
}

/** Hands out numbers and finds principals by number or name. */
export class Principals {
  #last: number;
  readonly #byId = new Map<number, Principal>();
  readonly #byName = new Map<string, Principal>();
  readonly #watchers = new Set<() => void>();

  /** @param last The highest number ever used, so that numbers stay unique over restarts of one kernel's data. */
  constructor(last = 0) {
    this.#last = last;
  }

  /** Makes a principal with the next number. */
  create(
    kind: PrincipalKind,
    options: { authority: Authority; parent?: Principal | null; name?: string },
  ): Principal {
    const principal = new Principal(++this.#last, kind, options);
    this.#byId.set(principal.id, principal);
    options.authority.onChange = () => this.#rightsChanged();
    principal.onGone(() => {
      this.#byId.delete(principal.id);
      for (const name of principal.names) this.#byName.delete(name);
    });
    return principal;
  }

  /**
   * Adds someone who is told after anybody's rights have changed: those below and those given to have changed with
   * them. Returns the undo.
   */
  onRights(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #rightsChanged(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** By number. */
  get(id: number): Principal | undefined {
    return this.#byId.get(id);
  }

  /** By registered name. */
  named(name: string): Principal | undefined {
    return this.#byName.get(name);
  }

  /** Gives a name to a principal; false when another holds it. */
  claim(principal: Principal, name: string): boolean {
    const holder = this.#byName.get(name);
    if (holder && holder !== principal) return false;
    this.#byName.set(name, principal);
    principal.names.add(name);
    return true;
  }

  /** Every principal that is there. */
  all(): IterableIterator<Principal> {
    return this.#byId.values();
  }
}
