/**
 * Watches the calls of native programs: which files they use and which programs they run.
 *
 * Each call waits while it is looked at, so paths are read from a process that stands still, and a process that lives
 * for a moment is not missed. What is seen is the attempt: whether a file's own mode then refused it is not known.
 *
 * @module
 */
import { lstatSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { ARCH } from "../../ffi/arch.ts";
import { closeDescriptor, openDescriptor } from "../../ffi/descriptors.ts";
import { readPath } from "../../ffi/foreign_memory.ts";
import { type Found, lookUp } from "../../ffi/lookup.ts";
import { isReadable, type NotifiedCall, passCall, waitReadable } from "../../ffi/notify.ts";
import { isWithin } from "../../worlds/view.ts";
import { interpreterOf } from "../agents/shebang.ts";
import { type NamedPath, namedPaths } from "./calls.ts";
import type { Evidence } from "./evidence.ts";

/** How to watch. */
export interface WatchOptions {
  readonly evidence: Evidence;
  /** What can be learned about, as the program sees it. */
  readonly places: readonly string[];
  /** A place that it may read in any case; null for none. */
  readonly readable: string | null;
  /** A program whose own calls are not looked at; null for none. */
  readonly ignored: string | null;
  /** Told of what goes wrong; the call goes on in any case. */
  readonly onFault: (cause: unknown) => void;
}

/** One wait for the next call; then it is waited again. */
const WAIT_MS = 1_000;
/** After so many calls in a row the event loop has its turn. */
const CALLS_AT_ONCE = 64;
/** What every sandbox shows, looked at thousands of times by every interpreter. */
const SYSTEM = /^\/(?:usr|lib\w*|proc|dev|sys)\//;

/** Watches until the last process is gone, then closes the listener. */
export async function watchCalls(listener: number, options: WatchOptions): Promise<void> {
  const watcher = new Watcher(options);
  try {
    for (;;) {
      let ready = await waitReadable(listener, WAIT_MS);
      for (let i = 0; ready === "ready" && i < CALLS_AT_ONCE; i++) {
        passCall(listener, ARCH, (call) => watcher.look(call));
        ready = isReadable(listener);
      }
      if (ready === "over") return;
    }
  } finally {
    watcher.close();
    closeDescriptor(listener);
  }
}

class Watcher {
  readonly #options: WatchOptions;
  /** Descriptor of the agent's root, the same for all its processes. */
  #root: number | null = null;
  /** Paths that were made, exchanged or removed: when the program starts again they are others, or not there. */
  readonly #made = new Set<string>();
  /** Whether the first call was seen. */
  #started = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  look(call: NotifiedCall): void {
    try {
      // The start of the agent's own program: it needs no rule, and init, whose memory it is in, lets nobody look.
      if (!this.#started) return void (this.#started = true);
      this.#root ??= openDescriptor(`/proc/${call.tid}/root`, "path");
      if (this.#isIgnored(call.tid)) return;
      const changed: string[] = [];
      for (const named of namedPaths(call, ARCH === "aarch64")) this.#lookAt(call, named, changed);
      const [from, to] = changed;
      // A move from one directory to another takes the right to both, and that they are one mount.
      if (from !== undefined && to !== undefined && from !== to) {
        const both = this.#stable(commonParent(from, to));
        if (this.#isPlace(both)) {
          this.#options.evidence.addFile("write", both, true, `${call.call} ${from}, ${to}`);
        }
      }
    } catch (cause) {
      this.#options.onFault(cause);
    }
  }

  close(): void {
    if (this.#root !== null) closeDescriptor(this.#root);
    this.#root = null;
  }

  #isIgnored(tid: number): boolean {
    const { ignored } = this.#options;
    return ignored !== null && linkOf(`/proc/${tid}/exe`) === ignored;
  }

  #lookAt(call: NotifiedCall, named: NamedPath, changed: string[]): void {
    const text = readPath(call.tid, named.address);
    if (text === null || text === "") return;
    const path = this.#absolute(call.tid, named.at, text);
    if (path === null) return;
    if (named.act !== "run" && SYSTEM.test(path) && !path.includes("/..") && !this.#isPlace(path)) return;
    const found = this.#find(path, named.follow);
    const example = `${call.call} ${path}`;
    if (named.act === "run") return this.#run(found, path, example);
    if (found === null) return this.#absent(named, path, example, changed);
    if (!this.#isPlace(found.path)) return;
    this.#use(named, found, example, changed);
  }

  #run(found: Found | null, path: string, example: string): void {
    if (found === null) return this.#missing(path, example);
    if (this.#options.ignored !== null) return;
    this.#options.evidence.addFile("run", found.path, false, example);
    const interpreter = interpreterOf(`/proc/self/fd/${this.#root!}${found.path}`);
    const real = interpreter === null ? null : this.#find(interpreter, true);
    if (real !== null) {
      this.#options.evidence.addFile("run", real.path, false, `${example} (its interpreter)`);
    }
  }

  /** Something that is there. */
  #use({ act }: NamedPath, { path, kind }: Found, example: string, changed: string[]): void {
    const directory = kind === "directory";
    if (act === "see") this.#note("see", path, example);
    if (act === "read" || act === "read-write") this.#note(directory ? "list" : "read", path, example);
    if (act === "write" || act === "read-write" || act === "set") {
      this.#note("write", path, example, directory);
    }
    if (act === "change") {
      this.#note("write", posix.dirname(path), example, true);
      changed.push(posix.dirname(path));
      this.#made.add(path);
    }
  }

  /** Something that is not there: it is made, or looked for in vain. */
  #absent({ act, makes }: NamedPath, path: string, example: string, changed: string[]): void {
    const parent = this.#find(posix.dirname(path), true);
    if (!makes || parent === null) return this.#missing(path, example);
    if (!this.#isPlace(parent.path)) return;
    const made = parent.path === "/" ? `/${posix.basename(path)}` : `${parent.path}/${posix.basename(path)}`;
    this.#made.add(made);
    this.#note("write", parent.path, example, true);
    if (act === "read" || act === "read-write") this.#note("read", parent.path, example, true);
    changed.push(parent.path);
  }

  #missing(path: string, example: string): void {
    if (SYSTEM.test(path) || this.#isPlace(path)) return;
    if (lstatSync(path, { throwIfNoEntry: false })) this.#options.evidence.addUnseen(path, example);
  }

  #note(use: "read" | "list" | "write" | "see", path: string, example: string, below = false): void {
    const { readable } = this.#options;
    if (use !== "write" && readable !== null && isWithin(path, readable)) return;
    const at = this.#stable(path);
    // What was made by the run itself is not there when it begins again: its directory stands for it.
    if (use !== "see") {
      this.#options.evidence.addFile(at === path ? use : whole(use), at, below || at !== path, example);
    } else if (at === path) this.#options.evidence.addFile("see", at, false, example);
  }

  /** The nearest directory upwards that was there before the run. */
  #stable(path: string): string {
    let at = path;
    for (let above = at; above !== "/"; above = posix.dirname(above)) {
      if (this.#made.has(above)) at = posix.dirname(above);
    }
    return at;
  }

  #isPlace(path: string): boolean {
    return this.#options.places.some((place) => isWithin(path, place));
  }

  #absolute(tid: number, at: number | null, path: string): string | null {
    if (path.startsWith("/")) return path;
    const base = linkOf(at === null ? `/proc/${tid}/cwd` : `/proc/${tid}/fd/${at}`);
    return base?.startsWith("/") ? `${base}/${path}` : null;
  }

  #find(path: string, follow: boolean): Found | null {
    return lookUp(this.#root!, path, follow);
  }
}

function whole(use: "read" | "list" | "write"): "read" | "write" {
  return use === "write" ? "write" : "read";
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (error) {
    // The process is gone, or closed it meanwhile on another thread.
    if ((error as { code?: string }).code) return null;
    throw error;
  }
}

/** The deepest directory that holds both. */
function commonParent(a: string, b: string): string {
  let at = a;
  while (!isWithin(b, at)) at = posix.dirname(at);
  return at;
}
