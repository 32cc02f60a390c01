/**
 * The processes of a sandbox, as the host's /proc tells them.
 *
 * @module
 */

/** Longest chain of parents that is followed. */
const LONGEST_CHAIN = 4096;

/** Children of a process, or none when it is gone. See proc(5), `/proc/pid/task/tid/children`. */
function childrenOf(pid: number): readonly number[] {
  const children: number[] = [];
  for (const thread of list(`/proc/${pid}/task`)) {
    const text = read(`/proc/${pid}/task/${thread}/children`);
    for (const child of text?.trim().split(" ") ?? []) {
      if (child !== "") children.push(Number(child));
    }
  }
  return children;
}

/** All descendants of a process that are there now, parents before children. */
export function descendants(pid: number): readonly number[] {
  const found: number[] = [];
  let generation = childrenOf(pid);
  while (generation.length > 0) {
    found.push(...generation);
    generation = generation.flatMap(childrenOf);
  }
  return found;
}

/** Whether a process is another's descendant, or the same. */
export function descendsFrom(pid: number, ancestor: number): boolean {
  let at = pid;
  for (let i = 0; i < LONGEST_CHAIN && at > 0; i++) {
    if (at === ancestor) return true;
    const stat = read(`/proc/${at}/stat`);
    if (stat === null) return false;
    // The name is in parentheses and may contain anything; state and parent follow the last of them.
    at = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  }
  return false;
}

function list(path: string): readonly string[] {
  return unlessGone(() => [...Deno.readDirSync(path)].map(({ name }) => name)) ?? [];
}

function read(path: string): string | null {
  return unlessGone(() => Deno.readTextFileSync(path));
}

/** A process that ended meanwhile is not a failure of looking. */
function unlessGone<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    // Reading the file of a process that is just ending.
    if (error instanceof Error && /ESRCH|os error 3\b/.test(error.message)) return null;
    throw error;
  }
}
