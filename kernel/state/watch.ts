/**
 * Who wants to know of changes. A watcher that does not keep up loses the oldest changes and is told how many.
 *
 * @module
 */
import { LIMITS } from "../limits.ts";
import type { Namespace, Scope } from "./namespaces.ts";

/** What happened to a key. */
export interface StateChange {
  readonly action: "store" | "delete" | "expire";
  readonly key: string;
  readonly scope: Scope;
  /** For `store`, what it is now. */
  readonly value?: unknown;
  /** Higher than that of every change before. */
  readonly version: number;
  /** Who did it; 0 is the kernel. */
  readonly agent_id: number;
}

/** Bytes of values that wait for one watcher: as much as may wait for a connection to read. */
const WAITING_BYTES = LIMITS.sendQueueBytes;

interface Waiting {
  readonly change: StateChange;
  readonly bytes: number;
}

/** One watcher's queue, in order. */
export class Watcher {
  readonly prefix: string;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #lost = 0;
  #wake: (() => void) | null = null;

  /** @param prefix Only keys that begin so. */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Adds a change; `bytes` is the length of its value. */
  add(change: StateChange, bytes: number): void {
    this.#waiting.push({ change, bytes });
    this.#bytes += bytes;
    while (
      this.#waiting.length > LIMITS.eventQueue || (this.#bytes > WAITING_BYTES && this.#waiting.length > 1)
    ) {
      this.#bytes -= this.#waiting.shift()!.bytes;
      this.#lost++;
    }
    this.#wake?.();
  }

  /** Waits until there is something, and takes it: the changes, and how many were lost before them. */
  async take(signal: AbortSignal): Promise<{ lost: number; changes: StateChange[] }> {
    while (this.#waiting.length === 0) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = () => {
          signal.removeEventListener("abort", this.#wake!);
          resolve();
        };
        signal.addEventListener("abort", this.#wake, { once: true });
      });
      this.#wake = null;
    }
    const taken = { lost: this.#lost, changes: this.#waiting.map(({ change }) => change) };
    this.#waiting = [];
    this.#bytes = this.#lost = 0;
    return taken;
  }
}

/** The watchers of every namespace. */
export class Watchers {
  readonly #byNamespace = new Map<string, Set<Watcher>>();

  /** Starts watching; returns the undo. */
  add(namespaces: readonly Namespace[], watcher: Watcher): () => void {
    for (const { id } of namespaces) {
      const watchers = this.#byNamespace.get(id) ?? new Set();
      this.#byNamespace.set(id, watchers.add(watcher));
    }
    return () => {
      for (const { id } of namespaces) {
        const watchers = this.#byNamespace.get(id);
        watchers?.delete(watcher);
        if (watchers?.size === 0) this.#byNamespace.delete(id);
      }
    };
  }

  /** Tells whoever watches such a key. */
  tell(namespace: string, change: StateChange, bytes: number): void {
    const watchers = this.#byNamespace.get(namespace);
    if (!watchers) return;
    for (const watcher of watchers) if (change.key.startsWith(watcher.prefix)) watcher.add(change, bytes);
  }
}
