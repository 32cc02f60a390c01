/**
 * The part of the cgroup hierarchy that belongs to this kernel, divided among its agents.
 *
 * @module
 */
import { AgentCgroup, type AgentCgroupOptions, type ProcessCgroup } from "./cgroup.ts";
import { readControl, writeControl } from "./cgroup_files.ts";
import { ioWanted } from "./cgroup_limits.ts";
import { type CgroupPlace, describePlace, findPlace } from "./cgroup_place.ts";

/** The controllers that carry limits. */
const CONTROLLERS = ["memory", "cpu", "pids", "io"] as const;
/** Those that every agent has; the others are given to agents when the first of them asks for such a limit. */
const ALWAYS: readonly string[] = CONTROLLERS.filter((controller) => controller !== "io");
/** Where a kernel goes that sits in the cgroup it wants to divide. */
const LEAF = "clove-kernel";
/** Rounds of moving processes, which may fork meanwhile. */
const MOVES = 8;
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
  readonly #agents = new Map<string, AgentCgroup>();
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
      for (const controller of ALWAYS) writeControl(path, "cgroup.subtree_control", `+${controller}`);
      const given = words(readControl(path, "cgroup.controllers"));
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
  make(name: string, id: number, options: AgentCgroupOptions): AgentCgroup {
    this.#made++;
    const path = `${this.path}/${name}_${id}_${this.#made}`;
    if (ioWanted(options.limits).length > 0) this.limitIo();
    const cgroup = new AgentCgroup(path, {
      ...options,
      beforeIo: () => this.limitIo(),
      onRemoved: () => this.#agents.delete(path),
    });
    this.#agents.set(path, cgroup);
    return cgroup;
  }

  /**
   * Makes a place for a command in an agent's cgroup.
   *
   * @returns Null when the agent has ended.
   */
  share(path: string): ProcessCgroup | null {
    try {
      return this.#agents.get(path)?.command() ?? null;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  /** Gives agents the controller of disks; where there is none, its file will be missing. */
  limitIo(): void {
    if (this.controllers.includes("io")) writeControl(this.path, "cgroup.subtree_control", "+io");
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
function candidates(place: CgroupPlace): readonly Candidate[] {
  const { mount, own } = place;
  const uid = Deno.uid() ?? 0;
  const bases = own === mount || uid !== 0 ? [own] : [own, mount];
  return bases.map((base) => ({
    base,
    description: describePlace(base, place, { uid, isRealRoot: isRealRoot(base) }),
  }));
}

/** Only the hierarchy's real root may hold processes beside children with controllers; it has no type. */
function isRealRoot(base: string): boolean {
  return readControl(base, "cgroup.type") === null;
}

/**
 * Enables controllers for the children of a cgroup. Returns them, or in words why none.
 *
 * @param isTop The cgroup is the top of what is mounted: the hierarchy's root, or a container's.
 */
function prepare(base: string, isTop: boolean): readonly string[] | string {
  const offered = words(readControl(base, "cgroup.controllers"));
  const wanted = CONTROLLERS.filter((controller) => offered.includes(controller));
  if (!wanted.some((controller) => ALWAYS.includes(controller))) {
    return `${base} has none of the controllers ${ALWAYS.join(", ")}: ` +
      "they are not delegated, or mounted as version 1";
  }
  sweep(base);
  const crowded = !isRealRoot(base);
  let problem: string | null = null;
  for (let round = 0; round < MOVES; round++) {
    problem = crowded ? emptyOut(base, isTop) : null;
    if (problem !== null) return problem;
    problem = enable(base, wanted);
    // Somebody forked between the last move and now: EBUSY.
    if (problem === null || !crowded || words(readControl(base, "cgroup.procs")).length === 0) break;
  }
  return problem ?? wanted;
}

function enable(base: string, wanted: readonly string[]): string | null {
  const enabled = words(readControl(base, "cgroup.subtree_control"));
  for (const controller of wanted) {
    if (enabled.includes(controller)) continue;
    const problem = writeControl(base, "cgroup.subtree_control", `+${controller}`);
    // Not every machine lets its disks be limited; that is told of an agent that asks for it.
    if (problem !== null && ALWAYS.includes(controller)) return problem;
  }
  return null;
}

/** Moves the processes of a cgroup to a leaf of it: this kernel's own, and in a container, where all is ours, all. */
function emptyOut(base: string, isTop: boolean): string | null {
  const inner = words(readControl(base, "cgroup.procs"));
  if (!isTop && inner.some((pid) => Number(pid) !== Deno.pid)) {
    return `${base} holds other processes than this kernel: start it in a cgroup of its own ` +
      "(systemd-run --scope -p Delegate=yes)";
  }
  for (const pid of inner) {
    if (pid === "0") {
      return `${base} holds processes of another pid namespace, which cannot be moved out of it`;
    }
    const problem = moveToLeaf(base, pid);
    // Whoever ended meanwhile is in nobody's way.
    if (problem !== null && isAlive(pid)) return problem;
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
