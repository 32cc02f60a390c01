/**
 * The network namespace of a running sandbox, held open for those who want to enter it.
 *
 * @module
 */
import { createServer, type Server } from "node:net";
import { closeDescriptor, openDescriptor } from "../../ffi/descriptors.ts";
import type { StartMethod } from "./start.ts";

/** Gives a listening socket to `node:net`. Connections that came before are there. */
export async function adoptListener(fd: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return server;
}

/** Descriptors of namespaces. */
export class Network implements Disposable {
  /** Starts helpers that go there. */
  readonly method: StartMethod;
  /** The user namespace it belongs to, which an ordinary user's helper has to enter first. */
  readonly userns: number | null;
  readonly #init: number;
  #netns: number | null;

  /**
   * @param init The sandbox's init.
   * @param received Network and user namespace as init sent them, or nothing where they can be opened.
   */
  constructor(init: number, method: StartMethod, received: readonly number[]) {
    this.#init = init;
    this.method = method;
    this.#netns = received[0] ?? null;
    this.userns = received[1] ?? null;
  }

  /** The network namespace; opened when it is first asked for, because few are. */
  get netns(): number {
    return this.#netns ??= openDescriptor(`/proc/${this.#init}/ns/net`, "read");
  }

  /** Closes what was opened. */
  [Symbol.dispose](): void {
    if (this.#netns !== null) closeDescriptor(this.#netns);
    if (this.userns !== null) closeDescriptor(this.userns);
    this.#netns = null;
  }
}
