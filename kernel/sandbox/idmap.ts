/**
 * User namespaces that exist only for their maps: a mount made with one shows files of one owner as the agent's own,
 * and stores what the agent writes as that owner's. See mount_setattr(2), MOUNT_ATTR_IDMAP.
 *
 * @module
 */
import { ARCH } from "../../ffi/arch.ts";
import { closeDescriptor, openDescriptor } from "../../ffi/descriptors.ts";
import { CLONE } from "../../ffi/namespaces.ts";
import { Chain, Program } from "../../ffi/program.ts";
import { DESCRIPTORS } from "./assemble.ts";
import { NOBODY } from "./plan.ts";
import type { StartMethod } from "./start.ts";

/** Keeps one namespace for each owner that was asked for. Only root can make them. */
export class IdMaps implements Disposable {
  readonly #starter: StartMethod;
  readonly #known = new Map<string, Promise<number>>();

  /** Makes namespaces with a starter's help. */
  constructor(starter: StartMethod) {
    this.#starter = starter;
  }

  /**
   * The descriptor of a namespace that shows `uid` and `gid` as the agent's.
   *
   * @throws {Error} When user namespaces are forbidden here.
   */
  get(uid: number, gid: number): Promise<number> {
    const key = `${uid}:${gid}`;
    let made = this.#known.get(key);
    if (!made) {
      made = make(this.#starter, uid, gid);
      this.#known.set(key, made);
      made.catch(() => this.#known.delete(key)); // the caller hears of it; the next one may have more luck
    }
    return made;
  }

  /** Closes them. */
  [Symbol.dispose](): void {
    for (const made of this.#known.values()) {
      made.then(closeDescriptor, () => {/* was reported to who asked */});
    }
    this.#known.clear();
  }
}

/** Starts a process that only lives in the namespace, until its maps are written and the namespace is held open. */
async function make(starter: StartMethod, uid: number, gid: number): Promise<number> {
  const program = new Program(ARCH);
  const end = program.entry("end", "exit_group", [1]);
  program.always(end, end);
  const chain = new Chain(program, end);
  chain.add("make a user namespace", "unshare", [CLONE.NEWUSER]);
  chain.add("tell", "write", [DESCRIPTORS.status, "ready", 5]);
  chain.add("wait for the maps", "read", [DESCRIPTORS.channel, program.zeroed(8), 1]);
  program.startAt(chain.first);

  const started = starter.start(program, { stdin: "null", handOver: [], tty: null });
  try {
    const ready = await new Promise<boolean>((resolve) => {
      started.status.once("data", () => resolve(true));
      started.status.once("close", () => resolve(false));
    });
    if (!ready) throw new Error("Cannot make a user namespace to map owners: this machine forbids it");
    const process = `/proc/${started.launcher}`;
    await Deno.writeTextFile(`${process}/uid_map`, `${uid} ${NOBODY} 1`);
    await Deno.writeTextFile(`${process}/gid_map`, `${gid} ${NOBODY} 1`);
    return openDescriptor(`${process}/ns/user`, "read");
  } finally {
    for (const socket of [started.status, started.stdout, started.stderr, started.channel]) socket?.destroy();
    while (starter.control.ended(started.launcher) === "running") {
      await new Promise((done) => setTimeout(done, 1));
    }
  }
}
