/** Counts what a kernel keeps of the machine: processes, descriptors, mounts, directories, cgroups. */

/** How much there is of each. */
export interface Census {
  /** Processes below the kernel. */
  readonly processes: number;
  readonly descriptors: number;
  readonly mounts: number;
  /** Private directories of agents. */
  readonly directories: number;
  /** Directories of cgroup v2 whose name begins as the agents' names do. */
  readonly cgroups: number;
}

/** A process for good: its number, and when it began. */
export interface Pinned {
  readonly pid: number;
  readonly start: string;
}

/** Counts. `prefix` is what the names of the agents begin with. */
export function census(kernelPid: number, prefix: string): Census {
  const runDir = runDirOf(kernelPid);
  return {
    processes: descendants(kernelPid).length,
    descriptors: names(`/proc/${kernelPid}/fd`).length,
    mounts: (read(`/proc/${kernelPid}/mountinfo`) ?? "").split("\n").length - 1,
    directories: runDir === null ? 0 : names(`${runDir}/agents`).length,
    cgroups: cgroupMounts().reduce((sum, mount) => sum + countBelow(mount, prefix), 0),
  };
}

/** Every process below another one now, children's children included. */
export function descendants(pid: number): readonly Pinned[] {
  const children = new Map<number, Pinned[]>();
  for (const name of names("/proc")) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : null;
    if (!stat) continue;
    const siblings = children.get(stat.parent);
    if (siblings) siblings.push(stat);
    else children.set(stat.parent, [stat]);
  }
  const found: Pinned[] = [];
  const look = (parent: number): void => {
    for (const child of children.get(parent) ?? []) {
      found.push({ pid: child.pid, start: child.start });
      look(child.pid);
    }
  };
  look(pid);
  return found;
}

/** Those of them that are still there, zombies left out: they are their parent's to bury. */
export function stillAlive(processes: readonly Pinned[]): readonly Pinned[] {
  return processes.filter(({ pid, start }) => {
    const stat = statOf(pid);
    return stat !== null && stat.start === start && stat.state !== "Z";
  });
}

/** Every process with exactly this command line. */
export function running(argv: readonly string[]): readonly number[] {
  const wanted = argv.join("\0") + "\0";
  return names("/proc").map(Number).filter((pid) => pid > 0 && read(`/proc/${pid}/cmdline`) === wanted);
}

/** The directory a kernel keeps its agents' places in; null when it has none. */
export function runDirOf(kernelPid: number): string | null {
  const tmp = Deno.env.get("TMPDIR") ?? "/tmp";
  const owned = (name: string): boolean =>
    name.startsWith("clove-run-") && read(`${tmp}/${name}/kernel.pid`)?.split(" ")[0] === String(kernelPid);
  const name = names(tmp).find(owned);
  return name === undefined ? null : `${tmp}/${name}`;
}

interface Stat extends Pinned {
  readonly parent: number;
  readonly state: string;
}

/** See proc(5), `/proc/pid/stat`: the name in parentheses may hold any character. */
function statOf(pid: number): Stat | null {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid, state: fields[0]!, parent: Number(fields[1]), start: fields[19]! };
}

function cgroupMounts(): readonly string[] {
  const lines = (read("/proc/self/mountinfo") ?? "").split("\n");
  return lines.filter((line) => line.includes(" - cgroup2 ")).map((line) => line.split(" ")[4]!);
}

function countBelow(directory: string, prefix: string): number {
  let count = 0;
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory) {
        count += (name.startsWith(prefix) ? 1 : 0) + countBelow(`${directory}/${name}`, prefix);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // removed while it was looked at
  }
  return count;
}

function names(directory: string): readonly string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function read(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    if (error instanceof Error && /os error 3\b/.test(error.message)) return null; // ended while it was read
    throw error;
  }
}
