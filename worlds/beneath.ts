/**
 * Opening what a view shows, and nothing else, while somebody may be swapping links under our hands.
 *
 * On Linux a thing is first opened with O_PATH, which has no effect on what is opened (a FIFO does not wait, a device
 * does not start). What was really opened is then asked of the kernel, and every later step goes through that very
 * descriptor by way of `/proc/self/fd/N`. A path is never looked up twice.
 *
 * Elsewhere there is no such thing: the real path is asked for before and after, which leaves a gap that a fast
 * attacker on the same machine can hit.
 *
 * @module
 */
import { close, closeSync, constants, fstatSync, lstatSync, open, readlinkSync, type Stats } from "node:fs";
import { lstat, readlink, realpath } from "node:fs/promises";
import { posix } from "node:path";
import { promisify } from "node:util";
import { FileError } from "./file_error.ts";
import { isWithin, mountOf, mountPointsBelow, outsideOf, type View } from "./view.ts";

/** A thing that was found and is held on to. */
export interface Held extends Disposable {
  /** A path that means this very thing, whatever happens to its names: the only one to use from here on. */
  readonly at: string;
  /** Its path as seen inside, every link resolved. */
  readonly inside: string;
  /** Its path on the host; null for a directory that only leads to mounts. */
  readonly outside: string | null;
  readonly stats: Stats | null;
}

/** Whether things can be held by descriptor. */
export const HOLDS_BY_DESCRIPTOR: boolean = Deno.build.os === "linux";

/** open(2); not among node's constants. The same number on x86-64 and ARM64. */
const O_PATH = 0o10000000;
/** As in the kernel's own path walk. */
const MOST_LINKS = 40;
/** Directories opened for one path, links included: deeper trees exist, but nobody needs them here. */
const MOST_STEPS = 512;

const opened = promisify(open) as (path: string, flags: number, mode?: number) => Promise<number>;

/** Opens with flags of open(2); always close-on-exec. */
export async function openFd(path: string, flags: number, mode = 0o666): Promise<number> {
  return await opened(path, flags, mode);
}

/** Closes where nothing was written that could still fail. */
export function closeFd(fd: number): void {
  closeSync(fd);
}

/** Closes after writing: some file systems say only now that the disk is full. */
export const closeWritten: (fd: number) => Promise<void> = promisify(close);

/**
 * Finds what a view shows under a path.
 *
 * @param inside From {@link insidePath}.
 * @param last What to do when the last part is a symbolic link: go where it leads, or hold the link itself.
 * @throws {FileError} `not_found` when there is nothing, or nothing that the view shows.
 * @throws Errors of the operating system.
 */
export async function hold(view: View, inside: string, last: "follow" | "keep"): Promise<Held> {
  if (!HOLDS_BY_DESCRIPTOR) return await holdByName(view, inside, last);
  if (view.mounts === null) return await holdOnHost(inside, last);
  return await holdDirectly(view, inside) ?? await walk(view, inside, last);
}

/**
 * Holds a name of a directory that is held; the name is not followed, and not looked for under any other path.
 *
 * @throws Errors of the operating system: `ENOENT` when there is nothing.
 */
export async function holdIn(dir: Held, name: string): Promise<Held> {
  const path = `${dir.at}/${name}`;
  const inside = posix.join(dir.inside, name);
  if (HOLDS_BY_DESCRIPTOR) return holdFd(await openPath(path, true), inside);
  return { at: path, inside, outside: path, stats: await lstat(path), [Symbol.dispose]() {} };
}

/** A descriptor without access to contents. */
class HeldFd implements Held {
  readonly #fd: number;
  readonly inside: string;
  readonly outside: string;
  readonly stats: Stats;

  constructor(fd: number, inside: string, outside: string, stats: Stats) {
    this.#fd = fd;
    this.inside = inside;
    this.outside = outside;
    this.stats = stats;
  }

  get at(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** A directory of the view that no mount shows, but that leads to one. */
function virtual(inside: string): Held {
  return { at: "", inside, outside: null, stats: null, [Symbol.dispose]() {} };
}

async function openPath(path: string, noFollow: boolean): Promise<number> {
  return await openFd(path, O_PATH | (noFollow ? constants.O_NOFOLLOW : 0));
}

/** Runs a check on a fresh descriptor, which is closed if it throws. */
function checked<T>(fd: number, check: () => T): T {
  try {
    return check();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The usual case of a confined view: no link anywhere. Null when it must be walked to be sure. */
async function holdDirectly(view: View, inside: string): Promise<Held | null> {
  const mount = mountOf(view.mounts!, inside);
  if (!mount) return null;
  const outside = outsideOf(mount, inside);
  let fd: number;
  try {
    fd = await openPath(outside, true);
  } catch (error) {
    // The machine's own link on the way may lead nowhere, and yet lead somewhere inside.
    if (["ENOENT", "ENOTDIR", "ELOOP", "EACCES"].includes((error as { code: string }).code)) return null;
    throw error;
  }
  return checked(fd, () => {
    const stats = fstatSync(fd);
    if (!stats.isSymbolicLink() && readlinkSync(`/proc/self/fd/${fd}`) === outside) {
      return new HeldFd(fd, inside, outside, stats);
    }
    closeSync(fd);
    return null;
  });
}

/** The whole host: links lead where they lead, and the answer says where that was. */
async function holdOnHost(path: string, last: "follow" | "keep"): Promise<Held> {
  const fd = await openPath(path, last === "keep");
  return checked(fd, () => {
    const stats = fstatSync(fd);
    const real = readlinkSync(`/proc/self/fd/${fd}`);
    if (!real.startsWith("/")) {
      throw new FileError("not_found", `Cannot use "${path}": it is no file, but ${real}`);
    }
    // Links below /proc lead to descriptors and into other mount namespaces, where names mean something else.
    const named = lstatSync(real, { throwIfNoEntry: false });
    if (!named || named.dev !== stats.dev || named.ino !== stats.ino) {
      throw new FileError(
        "not_found",
        `Cannot use "${path}": it was moved, deleted, or is not of this machine's tree`,
      );
    }
    return new HeldFd(fd, real, real, stats);
  });
}

/**
 * Resolves every link as the owner of the view means it: `/tmp` in a link is the view's own `/tmp`. One directory at a
 * time, each opened beneath the one before without following.
 */
async function walk(view: View, inside: string, last: "follow" | "keep"): Promise<Held> {
  const mounts = view.mounts!;
  let todo = inside.split("/").filter((part) => part !== "");
  let done: string[] = [];
  let links = 0;
  let steps = 0;
  let here = await stepInto(view, null, []);
  try {
    while (todo.length > 0) {
      if (++steps > MOST_STEPS) throw tooFar(inside);
      const name = todo.shift()!;
      if (name === "..") {
        // Only links bring these. What was resolved has no links any more, so it can be walked again.
        todo = [...done.slice(0, -1), ...todo];
        done = [];
        here[Symbol.dispose]();
        here = await stepInto(view, null, []);
        continue;
      }
      const next = await stepInto(view, here, [...done, name]);
      const isLink = next.stats?.isSymbolicLink() ?? false;
      if (!isLink || (todo.length === 0 && last === "keep")) {
        here[Symbol.dispose]();
        here = next;
        done.push(name);
        continue;
      }
      next[Symbol.dispose]();
      if (++links > MOST_LINKS) throw tooFar(inside);
      const target = await readlink(`${here.at}/${name}`);
      todo = [...target.split("/").filter((part) => part !== "" && part !== "."), ...todo];
      if (target.startsWith("/")) {
        done = [];
        here[Symbol.dispose]();
        here = await stepInto(view, null, []);
      }
    }
    return here;
  } catch (error) {
    here[Symbol.dispose]();
    throw error;
  }

  async function stepInto(view: View, dir: Held | null, parts: readonly string[]): Promise<Held> {
    const path = `/${parts.join("/")}`;
    const mount = mounts.find((mount) => mount.inside === path);
    if (mount) return await holdFd(await openPath(mount.outside, false), path);
    if (dir && dir.stats) return await holdFd(await openPath(`${dir.at}/${parts.at(-1)}`, true), path);
    if (mountPointsBelow(mounts, path).length > 0 || path === "/") return virtual(path);
    throw notShown(view, inside);
  }
}

function holdFd(fd: number, inside: string): Held {
  return checked(fd, () => new HeldFd(fd, inside, readlinkSync(`/proc/self/fd/${fd}`), fstatSync(fd)));
}

function tooFar(inside: string): FileError {
  return new FileError("not_found", `Cannot use "${inside}": too many links or directories on the way`);
}

function notShown(view: View, inside: string): FileError {
  const places = view.mounts!.map((mount) => mount.inside).slice(0, 8).join(", ");
  const there = places === "" ? "nothing of the machine is shown" : `what is shown here: ${places}`;
  return new FileError("not_found", `Cannot use "${inside}": there is no such file or directory, ${there}`);
}

/** Where nothing can be held: the real path, asked for twice. Weaker, see above. */
async function holdByName(view: View, inside: string, last: "follow" | "keep"): Promise<Held> {
  const mount = view.mounts === null ? { inside: "/", outside: "/" } as const : mountOf(view.mounts, inside);
  if (!mount) {
    if (inside === "/" || mountPointsBelow(view.mounts!, inside).length > 0) return virtual(inside);
    throw notShown(view, inside);
  }
  const wanted = outsideOf({ ...mount, mode: "ro" }, inside);
  const root = await realpath(mount.outside);
  const find = async (): Promise<string> => {
    if (last === "follow" || wanted === root) return await realpath(wanted);
    return posix.join(await realpath(posix.dirname(wanted)), posix.basename(wanted));
  };
  const real = await find();
  const stats = await lstat(real);
  if (!isWithin(real, root) || await find() !== real) {
    throw new FileError("not_found", `Cannot use "${inside}": it leads out of "${mount.inside}"`);
  }
  const rest = real === root ? "" : root === "/" ? real : real.slice(root.length);
  const seen = posix.join(mount.inside, rest);
  return { at: real, inside: seen, outside: real, stats, [Symbol.dispose]() {} };
}
