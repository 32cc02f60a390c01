/**
 * Giving up privilege: capability sets, ids, no_new_privs, resource limits. See capabilities(7), prctl(2).
 *
 * @module
 */
import type { Chain } from "./program.ts";

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
const PR_CAPBSET_DROP = 24;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const CAPABILITY_VERSION_3 = 0x20080522;
const SIGKILL = 9;
const POLLIN = 1;

/** Empties the bounding set, so that no program file can bring a capability back. Needs CAP_SETPCAP. */
export function dropBoundingSet(chain: Chain, lastCapability: number): void {
  for (let capability = 0; capability <= lastCapability; capability++) {
    chain.add(`drop capability ${capability}`, "prctl", [PR_CAPBSET_DROP, capability, 0, 0, 0]);
  }
}

/** Empties the ambient, effective, permitted and inheritable sets. */
export function dropCapabilities(chain: Chain): void {
  const { arena } = chain.program;
  const header = arena.words([CAPABILITY_VERSION_3]);
  chain.add("clear the ambient capabilities", "prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]);
  chain.add("clear the capabilities", "capset", [header, arena.words([0, 0, 0])]);
}

/** Becomes an ordinary user without further groups. */
export function becomeUser(chain: Chain, uid: number, gid: number): void {
  chain.add("drop all groups", "setgroups", [0, 0]);
  chain.add(`become group ${gid}`, "setresgid", [gid, gid, gid]);
  chain.add(`become user ${uid}`, "setresuid", [uid, uid, uid]);
}

/** From here on no program can gain privilege by being executed. */
export function noNewPrivileges(chain: Chain): void {
  chain.add("set no_new_privs", "prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
}

/** Nobody without privilege over this process can trace it or look into it. */
export function hide(chain: Chain): void {
  chain.add("become undumpable", "prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0]);
}

/** Names the process as `ps` shows it; at most 15 bytes. */
export function nameProcess(chain: Chain, name: string): void {
  chain.attempt(`be called ${name}`, "prctl", [PR_SET_NAME, chain.program.arena.string(name), 0, 0, 0]);
}

/** Dies with the parent. Changing ids clears this, so it comes after them. */
export function dieWithParent(chain: Chain): void {
  chain.add("arm the parent-death signal", "prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
}

/** Adopts the orphans among its descendants, as the first process of a pid namespace does anyway. */
export function adoptOrphans(chain: Chain): void {
  chain.add("adopt orphans", "prctl", [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0]);
}

/** `struct pollfd` and a zero timeout for asking whether the process behind a pidfd has ended. */
export function pollArguments(
  chain: Chain,
  pidfd: number,
): readonly [number, number, number, number, number] {
  const { arena } = chain.program;
  const poll = arena.allocate(8);
  arena.setInt(poll, pidfd);
  arena.setShort(poll + 4, POLLIN);
  return [poll, 1, arena.words([0, 0]), 0, 8];
}

/** Resources of getrlimit(2), the same numbers on both machines. */
export const RESOURCES = {
  FSIZE: 1,
  CORE: 4,
  NPROC: 6,
  NOFILE: 7,
  MEMLOCK: 8,
  MSGQUEUE: 12,
  NICE: 13,
  RTPRIO: 14,
} as const;

/** A resource of {@link RESOURCES}. */
export type Resource = keyof typeof RESOURCES;

/** Limits a resource of the calling process and of all it starts. */
export function limitResource(chain: Chain, resource: Resource, soft: number, hard: number): void {
  const limits = chain.program.arena.words([soft, hard]);
  chain.add(`limit ${resource.toLowerCase()} to ${soft}`, "prlimit64", [0, RESOURCES[resource], limits, 0]);
}
