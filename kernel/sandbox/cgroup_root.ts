/**
 * The part of the cgroup hierarchy that belongs to this kernel, divided among its agents.
 *
 * @module
 */
import type { Limits } from "../agents/launch.ts";
import { AgentCgroup } from "./cgroup.ts";
import { readControl, writeControl } from "./cgroup_files.ts";
import { type CgroupPlace, findPlace } from "./cgroup_place.ts";

/** The controllers that carry limits. */
const CONTROLLERS = ["memory", "cpu", "pids"] as const;
/** Where a kernel goes that sits in the cgroup it wants to divide. */
const LEAF = "clove-kernel";
const PREFIX = "clove-";

/** A process may have several launchers. */
let roots = 0;

/** Where agents' cgroups are made. */
export class CgroupRoot {
  /** The directory of this kernel. */
  readonly path: string;
  /** One line for the log and `clove doctor`. */
  readonly description: string;
  /** The controllers that agents have. */
  readonly controllers: readonly string[];
  #made = 0;

  private constructor(path: string, description: string, controllers: readonly string[]) {
    this.path = path;
    this.description = description;
    this.controllers = controllers;
  }

  /**
   * Finds a place and prepares it.
   *
   * @returns The root, or in words why there is none.
   */
  static open(): CgroupRoot | string {
    const place = look();
    if (typeof place === "string") return place;
    const reasons: string[] = [];
    for (const { base, description } of candidates(place)) {
      const prepared = prepare(base, base === place.mount);
      if (typeof prepared === "string") {
        reasons.push(prepared);
        continue;
      }
      const path = `${base}/${PREFIX}${Deno.pid}-${++roots}`;
      try {
        Deno.mkdirSync(path);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        reasons.push(`Cannot make ${path}: ${error.message}`);
        continue;
      }
      for (const controller of prepared) writeControl(path, "cgroup.subtree_control", `+${controller}`);
      const given = words(readControl(path, "cgroup.subtree_control"));
      const controllers = CONTROLLERS.filter((controller) => given.includes(controller));
      return new CgroupRoot(path, `${description} at ${path}`, controllers);
    }
    return reasons.join("; ");
  }

  /**
   * Makes a fresh cgroup with limits.
   *
   * @throws {Error} When the directory cannot be made.
   */
  make(name: string, id: number, limits: Limits): AgentCgroup {
    this.#made++;
    return new AgentCgroup(`${this.path}/${name}_${id}_${this.#made}`, limits);
  }

  /** Removes the kernel's directory; agents must have ended. */
  close(): void {
    removeTree(this.path);
  }
}

function look(): CgroupPlace | string {
  try {
    return findPlace(
      Deno.readTextFileSync("/proc/self/mountinfo"),
      Deno.readTextFileSync("/proc/self/cgroup"),
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return "Deno may not read /proc, start the kernel with -A";
  }
}

interface Candidate {
  readonly base: string;
  readonly description: string;
}

/** Places to try: the kernel's own cgroup, then, as root, the top of what is mounted. */
function candidates({ mount, own }: CgroupPlace): readonly Candidate[] {
  if (own === mount) return [{ base: mount, description: "cgroup v2, the top of what is mounted," }];
  const mine: Candidate = {
    base: own,
    description: Deno.uid() === 0 ? "cgroup v2, the kernel's own," : "cgroup v2, a delegated subtree",
  };
  if (Deno.uid() !== 0) return [mine];
  return [mine, { base: mount, description: "cgroup v2, the top of what is mounted," }];
}

/**
 * Enables controllers for the children of a cgroup. Returns them, or in words why none.
 *
 * @param isTop The cgroup is the top of what is mounted: the hierarchy's root, or a container's.
 */
function prepare(base: string, isTop: boolean): readonly string[] | string {
  const offered = words(readControl(base, "cgroup.controllers"));
  const wanted = CONTROLLERS.filter((controller) => offered.includes(controller));
  if (wanted.length === 0) {
    return `${base} has none of the controllers ${CONTROLLERS.join(", ")}: ` +
      "they are not delegated, or mounted as version 1";
  }
  sweep(base);
  // Only the hierarchy's real root may hold processes beside children with controllers; it has no type.
  const isRealRoot = readControl(base, "cgroup.type") === null;
  if (!isRealRoot) {
    const problem = emptyOut(base, isTop);
    if (problem !== null) return problem;
  }
  const enabled = words(readControl(base, "cgroup.subtree_control"));
  for (const controller of wanted) {
    if (enabled.includes(controller)) continue;
    const problem = writeControl(base, "cgroup.subtree_control", `+${controller}`);
    if (problem !== null) return problem;
  }
  return wanted;
}

/** Moves the processes of a cgroup to a leaf of it: this kernel's own, and in a container, where all is ours, all. */
function emptyOut(base: string, isTop: boolean): string | null {
  const inner = words(readControl(base, "cgroup.procs"));
  if (!isTop && inner.some((pid) => Number(pid) !== Deno.pid)) {
    return `${base} holds other processes than this kernel: start it in a cgroup of its own ` +
      "(systemd-run --scope -p Delegate=yes)";
  }
  for (const pid of inner) {
    const problem = moveToLeaf(base, pid);
    if (problem !== null) return problem;
  }
  return null;
}

function moveToLeaf(base: string, pid: string): string | null {
  const leaf = `${base}/${LEAF}`;
  try {
    Deno.mkdirSync(leaf, { recursive: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `Cannot make ${leaf}: ${error.message}`;
  }
  return writeControl(leaf, "cgroup.procs", pid);
}

/** Ends and removes what kernels left that are gone. */
function sweep(base: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(base)) {
    const pid = isDirectory ? /^clove-(\d+)-\d+$/.exec(name)?.[1] : undefined;
    if (pid === undefined || isAlive(pid)) continue;
    writeControl(`${base}/${name}`, "cgroup.kill", "1");
    removeTree(`${base}/${name}`);
  }
}

function isAlive(pid: string): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes a cgroup and those below it. One that is still in use stays, for the next sweep. */
function removeTree(path: string): void {
  try {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      if (isDirectory) removeTree(`${path}/${name}`);
    }
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error instanceof Deno.errors.NotFound || /os error (16|39|1|13)\)/.test(error.message)) return;
    throw error;
  }
}

function words(text: string | null): readonly string[] {
  return text === null || text === "" ? [] : text.split(/\s+/);
}
