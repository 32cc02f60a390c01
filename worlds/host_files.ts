/**
 * The machine's own files.
 *
 * @module
 */
import { constants, fchmodSync, fchownSync, fstatSync, realpathSync, type Stats } from "node:fs";
import { mkdir, readlink, rename, rm, rmdir, unlink } from "node:fs/promises";
import { posix } from "node:path";
import { closeFd, closeWritten, type Held, hold, holdIn, openFd } from "./beneath.ts";
import { explain, FileError } from "./file_error.ts";
import { readHeld, writeAll } from "./file_io.ts";
import { type Check, type FileEntry, type Files, type FileStat, type Target, typeOf } from "./files.ts";
import { type Random, systemRandom } from "./random.ts";
import { namesIn, visitTree } from "./tree.ts";
import { demandWritable, insidePath, isWithin, mountPointsBelow, type View } from "./view.ts";

/** Links that a name to be written may be a chain of. */
const MOST_LINKS = 40;

/** A name in a directory that is held. */
interface Slot extends Disposable {
  readonly dir: Held;
  readonly name: string;
  /** Of the name, as seen inside; the directories before it are resolved. */
  readonly inside: string;
  /** The way to it through the held directory. */
  readonly at: string;
}

/** {@link Files} on the machine that the kernel runs on. */
export class HostFiles implements Files {
  readonly #reserved: readonly string[];
  readonly #random: Random;

  /**
   * @param options `reserved`: host directories that are the kernel's own and exist for nobody else, such as its data.
   * `random` names temporary files.
   */
  constructor(options: { reserved?: readonly string[]; random?: Random } = {}) {
    this.#reserved = (options.reserved ?? []).map((dir) => realpathSync(dir));
    this.#random = options.random ?? systemRandom;
  }

  async read(
    target: Target,
    options: { maxBytes: number },
  ): Promise<{ bytes: Uint8Array<ArrayBuffer>; path: string }> {
    const { view, inside } = begin(target, "read");
    return await this.#attempt("read", inside, async () => {
      using held = await this.#hold(view, inside, "follow");
      recheck(target.check, "read", inside, held.inside);
      demandFile(held, "read");
      return { bytes: await readHeld(held.at, inside, options.maxBytes), path: held.inside };
    });
  }

  async write(
    target: Target,
    bytes: Uint8Array,
    options: { mode: "replace" | "append" },
  ): Promise<{ path: string; created: boolean }> {
    const { view, inside } = begin(target, "write");
    return await this.#attempt("write", inside, async () => {
      using slot = await this.#slotToWrite(view, inside);
      recheck(target.check, "write", inside, slot.inside);
      this.#demandChangeable(view, slot.inside, "write");
      for (let tries = 0;; tries++) {
        using old = await this.#existing(slot, "write");
        if (old) demandFile(old, "write");
        const created = old === null;
        if (options.mode === "replace") await this.#replace(view, slot, old?.stats ?? null, bytes);
        else if (old) await append(view, old, bytes);
        else if (!await appendToNew(view, slot, bytes)) {
          if (tries === 0) continue;
          throw new FileError("conflict", `Cannot append to "${slot.inside}": it comes and goes, try again`);
        }
        return { path: slot.inside, created };
      }
    });
  }

  async stat(target: Target, options: { follow: boolean }): Promise<FileStat> {
    const { view, inside } = begin(target, "read");
    return await this.#attempt("look at", inside, async () => {
      using held = await this.#hold(view, inside, options.follow ? "follow" : "keep");
      recheck(target.check, "read", inside, held.inside);
      const { stats } = held;
      if (stats === null) return leadingDirectory(held.inside);
      return {
        path: held.inside,
        type: typeOf(stats),
        size: stats.size,
        mode: stats.mode & 0o7777,
        uid: stats.uid,
        gid: stats.gid,
        links: stats.nlink,
        modified: stats.mtimeMs,
      };
    });
  }

  async list(
    target: Target,
    options: { limit: number },
  ): Promise<{ path: string; entries: FileEntry[]; truncated: boolean }> {
    const { view, inside } = begin(target, "read");
    return await this.#attempt("list", inside, async () => {
      using held = await this.#hold(view, inside, "follow");
      recheck(target.check, "read", inside, held.inside);
      const found = new Map<string, FileEntry>();
      // Names that lead to mounts are there for whoever looks through the view, and hide what has the same name.
      for (const name of view.mounts === null ? [] : mountPointsBelow(view.mounts, held.inside)) {
        found.set(name, { name, type: "directory" });
      }
      let truncated = false;
      if (held.stats !== null) {
        for (const entry of await namesIn(held, options.limit + 1)) {
          if (!found.has(entry.name)) found.set(entry.name, entry);
        }
        truncated = found.size > options.limit;
      }
      const entries = [...found.values()].slice(0, options.limit).sort((a, b) => a.name < b.name ? -1 : 1);
      return { path: held.inside, entries, truncated };
    });
  }

  async mkdir(target: Target, options: { recursive: boolean }): Promise<{ path: string; created: boolean }> {
    const { view, inside } = begin(target, "write");
    return await this.#attempt("make directory", inside, async () => {
      if (!options.recursive) {
        return { path: await this.#mkdirOne(view, inside, inside, target.check), created: true };
      }
      // From the first part that is missing; each is found anew, beneath what is there by then.
      const parts = inside.split("/").filter((part) => part !== "");
      let done = { path: "/", created: false };
      for (let depth = 1; depth <= parts.length; depth++) {
        done = await this.#ensureDirectory(view, `/${parts.slice(0, depth).join("/")}`, inside, target.check);
      }
      return done;
    });
  }

  async remove(
    target: Target,
    options: { recursive: boolean; limit: number },
  ): Promise<{ path: string; removed: number }> {
    const { view, inside } = begin(target, "write");
    return await this.#attempt("remove", inside, async () => {
      using slot = await this.#slot(view, inside);
      recheck(target.check, "write", inside, slot.inside);
      this.#demandChangeable(view, slot.inside, "remove");
      using held = await this.#holdSlot(slot, "remove");
      if (!held.stats?.isDirectory()) {
        await unlink(slot.at);
        return { path: slot.inside, removed: 1 };
      }
      let below = 0;
      if (options.recursive) {
        const visit = { limit: options.limit, check: (path: string) => target.check("write", path) };
        // Everything is weighed before anything is removed; and again, because things may have come meanwhile.
        await visitTree(held, slot.inside, { ...visit, remove: false });
        below = await visitTree(held, slot.inside, { ...visit, remove: true });
      }
      await rmdir(slot.at);
      return { path: slot.inside, removed: below + 1 };
    });
  }

  async rename(from: Target, to: Target, options: { limit: number }): Promise<{ from: string; to: string }> {
    const { view, inside } = begin(from, "write");
    // A new name may have other readers: whoever moves a file must be allowed to read it.
    from.check("read", inside);
    const { inside: toInside } = begin(to, "write");
    return await this.#attempt("rename", inside, async () => {
      using source = await this.#slot(view, inside);
      using destination = await this.#slot(to.view, toInside);
      recheck(from.check, "write", inside, source.inside);
      recheck(from.check, "read", inside, source.inside);
      recheck(to.check, "write", toInside, destination.inside);
      this.#demandChangeable(view, source.inside, "rename");
      this.#demandChangeable(to.view, destination.inside, "rename");
      using held = await this.#holdSlot(source, "rename");
      using old = await this.#existing(destination, "rename");
      if (old?.stats?.isDirectory() && !held.stats?.isDirectory()) demandFile(old, "replace");
      if (held.stats?.isDirectory()) {
        const check = (path: string): void => {
          from.check("write", path);
          from.check("read", path);
          to.check("write", destination.inside + path.slice(source.inside.length));
        };
        await visitTree(held, source.inside, { limit: options.limit, check, remove: false });
      }
      await rename(source.at, destination.at);
      return { from: source.inside, to: destination.inside };
    });
  }

  /** Puts what goes wrong into words. */
  async #attempt<T>(act: string, inside: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explain(error, act, inside);
    }
  }

  async #hold(view: View, inside: string, last: "follow" | "keep"): Promise<Held> {
    const held = await hold(view, inside, last);
    const { outside } = held;
    if (outside !== null && this.#reserved.some((dir) => isWithin(outside, dir))) {
      held[Symbol.dispose]();
      throw new FileError("denied", `Cannot use "${inside}": it belongs to the kernel itself`);
    }
    if (outside !== null && /^\/proc\/\d+(\/|$)/.test(outside)) {
      held[Symbol.dispose]();
      throw new FileError(
        "denied",
        `Cannot use "${inside}": what processes show of themselves is not for agents`,
      );
    }
    return held;
  }

  /** The name and its directory; the name itself is not followed. */
  async #slot(view: View, inside: string): Promise<Slot> {
    const name = posix.basename(inside);
    if (name === "") throw new FileError("conflict", 'Cannot change "/": it is the root');
    const dir = await this.#hold(view, posix.dirname(inside), "follow");
    if (dir.stats === null || dir.outside === null) {
      const shown = mountPointsBelow(view.mounts ?? [], dir.inside).includes(name);
      dir[Symbol.dispose]();
      throw shown
        ? new FileError("conflict", `Cannot change "${inside}": it is a mount, or leads to one`)
        : new FileError("not_found", `Cannot change "${inside}": there is no such directory`);
    }
    return {
      dir,
      name,
      inside: posix.join(dir.inside, name),
      at: `${dir.at}/${name}`,
      [Symbol.dispose]: () => dir[Symbol.dispose](),
    };
  }

  /** The name that is written in the end, when the one that was given is a chain of links. */
  async #slotToWrite(view: View, inside: string): Promise<Slot> {
    let path = inside;
    for (let links = 0; links <= MOST_LINKS; links++) {
      const slot = await this.#slot(view, path);
      let target: string;
      try {
        target = await readlink(slot.at);
      } catch (error) {
        // EINVAL: it is no link. ENOENT: it is nothing yet.
        if (["EINVAL", "ENOENT"].includes((error as { code: string }).code)) return slot;
        slot[Symbol.dispose]();
        throw error;
      }
      path = posix.resolve(slot.dir.inside, target);
      slot[Symbol.dispose]();
    }
    throw new FileError("not_found", `Cannot write "${inside}": too many symbolic links on the way`);
  }

  /** Holds the name itself, for a change. */
  async #holdSlot(slot: Slot, act: string): Promise<Held> {
    const held = await holdIn(slot.dir, slot.name);
    const { outside } = held;
    if (outside !== null && this.#reserved.some((dir) => isWithin(outside, dir) || isWithin(dir, outside))) {
      held[Symbol.dispose]();
      throw new FileError("denied", `Cannot ${act} "${slot.inside}": it belongs to the kernel itself`);
    }
    return held;
  }

  async #existing(slot: Slot, act: string): Promise<Held | null> {
    try {
      return await this.#holdSlot(slot, act);
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return null;
      throw error;
    }
  }

  #demandChangeable(view: View, inside: string, act: string): void {
    demandWritable(view, inside);
    if (/^\/(proc|sys|dev(?!\/shm\/))\//.test(inside) && view.mounts === null) {
      throw new FileError("denied", `Cannot ${act} "${inside}": only files on disks are written here`);
    }
    if (view.mounts?.some((mount) => isWithin(mount.inside, inside))) {
      throw new FileError("conflict", `Cannot ${act} "${inside}": it is a mount, or leads to one`);
    }
  }

  async #replace(view: View, slot: Slot, old: Stats | null, bytes: Uint8Array): Promise<void> {
    const temporary = `${slot.dir.at}/.clove-${this.#random.bytes(9).toHex()}.tmp`;
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const fd = await openFd(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, old ? 0o600 : 0o666);
    let done = false;
    try {
      await finish(fd, async () => {
        await writeAll(fd, bytes);
        giveTo(fd, old ? { uid: old.uid, gid: old.gid } : view);
        // After the owner, because a change of owner takes bits away. A program that is rewritten is not set-user-id.
        if (old) fchmodSync(fd, old.mode & 0o777);
      });
      await rename(temporary, slot.at);
      done = true;
    } finally {
      if (!done) await rm(temporary, { force: true });
    }
  }

  async #mkdirOne(view: View, inside: string, asked: string, check: Check): Promise<string> {
    using slot = await this.#slot(view, inside);
    recheck(check, "write", asked, slot.inside);
    this.#demandChangeable(view, slot.inside, "make directory");
    await mkdir(slot.at, { mode: 0o777 });
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const fd = await openFd(slot.at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
    try {
      giveTo(fd, view);
    } finally {
      closeFd(fd);
    }
    return slot.inside;
  }

  async #ensureDirectory(
    view: View,
    path: string,
    asked: string,
    check: Check,
  ): Promise<{ path: string; created: boolean }> {
    for (let tries = 0;; tries++) {
      try {
        using held = await this.#hold(view, path, "follow");
        if (held.stats === null || held.stats.isDirectory()) return { path: held.inside, created: false };
        throw new FileError("conflict", `Cannot make directory "${asked}": "${path}" is no directory`);
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
      try {
        return { path: await this.#mkdirOne(view, path, asked, check), created: true };
      } catch (error) {
        // Somebody else made it meanwhile.
        if ((error as { code?: string }).code !== "EEXIST" || tries > 0) throw error;
      }
    }
  }
}

/** Weighs the path as it was given. */
function begin({ view, path, check }: Target, access: "read" | "write"): { view: View; inside: string } {
  const inside = insidePath(view, path);
  check(access, inside);
  return { view, inside };
}

/** Weighs where it really leads. */
function recheck(check: Check, access: "read" | "write", given: string, resolved: string): void {
  if (resolved !== given) check(access, resolved);
}

function isMissing(error: unknown): boolean {
  return error instanceof FileError
    ? error.code === "not_found"
    : (error as { code?: string }).code === "ENOENT";
}

function demandFile(held: Held, act: string): void {
  if (held.stats?.isFile()) return;
  if (held.stats === null || held.stats.isDirectory()) {
    throw new FileError("conflict", `Cannot ${act} "${held.inside}": it is a directory`);
  }
  throw new FileError("conflict", `Cannot ${act} "${held.inside}": it is no regular file`);
}

async function append(view: View, old: Held, bytes: Uint8Array): Promise<void> {
  // The other name may be outside of what the view shows; replacing cuts the tie, appending would write through it.
  if (view.mounts !== null && old.stats!.nlink > 1) {
    throw new FileError(
      "denied",
      `Cannot append to "${old.inside}": it has other names (hard links), write it as a whole instead`,
    );
  }
  const fd = await openFd(old.at, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
  await finish(fd, () => writeAll(fd, bytes));
}

/** Says false when somebody else made the file first. */
async function appendToNew(view: View, slot: Slot, bytes: Uint8Array): Promise<boolean> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW } = constants;
  let fd: number;
  try {
    fd = await openFd(slot.at, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW);
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return false;
    throw error;
  }
  await finish(fd, async () => {
    giveTo(fd, view);
    await writeAll(fd, bytes);
  });
  return true;
}

/** Writes through a descriptor and closes it, whatever happens; closing may fail too. */
async function finish(fd: number, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  await closeWritten(fd);
}

/** New files belong to whom they are made for; only root may say so. */
function giveTo(fd: number, owner: { readonly uid?: number; readonly gid?: number }): void {
  if (owner.uid === undefined || Deno.build.os === "windows") return;
  const now = fstatSync(fd);
  const gid = owner.gid ?? now.gid;
  if (now.uid === owner.uid && now.gid === gid) return;
  if (Deno.uid() === 0) fchownSync(fd, owner.uid, gid);
}

function leadingDirectory(inside: string): FileStat {
  return { path: inside, type: "directory", size: 0, mode: 0o555, uid: 0, gid: 0, links: 1, modified: 0 };
}
