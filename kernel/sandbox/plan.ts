/**
 * Turns a request into the steps that confine it. Pure: it touches nothing, so it can be printed and tested anywhere.
 *
 * @module
 */
import type { LandlockRule } from "../../ffi/landlock.ts";
import { LaunchError, type LaunchRequest, type Mount, type Wall } from "../agents/launch.ts";
import type { MachineFacts, SystemPath } from "./facts.ts";
import type { Namespace, Step } from "./steps.ts";

/** The unprivileged user and group an agent becomes when the kernel is root: nobody and nogroup. */
export const NOBODY = 65534;

/** Bytes an agent may keep in /tmp, unless its memory limit is smaller. They are memory of the machine. */
const TEMPORARY_BYTES = 64 * 1024 * 1024;
/** Bytes of /dev/shm, likewise. */
const SHARED_MEMORY_BYTES = 16 * 1024 * 1024;
/** Files of either: an inode costs kernel memory that no size limit counts. */
const TEMPORARY_INODES = 16384;
/** Descriptors of an agent. */
const OPEN_FILES = { soft: 1024, hard: 4096 };
/** Bytes of POSIX message queues; the kernel counts them by user, and agents share one. */
const MESSAGE_QUEUE_BYTES = 0;

/** What a mount's source is on the host. */
export interface SourceFacts {
  readonly kind: "directory" | "file";
  /** Which handed-over user namespace maps its owner, or null. */
  readonly idmap: number | null;
}

/** What init gives the kernel. */
export interface HandsOver {
  /** Its network and user namespaces. */
  readonly namespaces: boolean;
  /** A socket that listens on this port of 127.0.0.1 inside. */
  readonly listen: number | null;
}

/** Everything a plan follows from. */
export interface PlanInput {
  readonly request: LaunchRequest;
  readonly facts: MachineFacts;
  /** The walls to build. */
  readonly walls: ReadonlySet<Wall>;
  /** A user namespace stands in for being root. */
  readonly userNamespace: boolean;
  /** Host directory of the cgroup to be born in. */
  readonly cgroup: string | null;
  /** Most processes of the agent, where no cgroup counts them; null otherwise. */
  readonly processes: number | null;
  /** What the kernel waits for at a handed-over socket; null for nothing. */
  readonly handsOver: HandsOver | null;
  /** The kernel waits for a seccomp listener; needs the wall seccomp. */
  readonly watched?: boolean;
  /** By {@link Mount.source}. */
  readonly sources: ReadonlyMap<string, SourceFacts>;
  /** Small files of the launcher's own that every agent sees, such as /etc/passwd. */
  readonly files: readonly { readonly source: string; readonly target: string }[];
}

/** The steps, by the process that takes them. */
export interface Plan {
  /** The launcher: outside, for a millisecond. */
  readonly outside: readonly Step[];
  /** Init: first process of the sandbox, before the agent is there. */
  readonly init: readonly Step[];
  /** The agent, before its program runs. */
  readonly agent: readonly Step[];
}

/** All steps of a plan in order. */
export function allSteps(plan: Plan): readonly Step[] {
  return [...plan.outside, ...plan.init, ...plan.agent];
}

/**
 * Plans a launch.
 *
 * @throws {LaunchError} If a mount cannot be part of any sandbox, such as one over /proc.
 */
export function planSandbox(input: PlanInput): Plan {
  const { request, facts, walls, userNamespace, cgroup } = input;
  const ids = { uid: NOBODY, gid: NOBODY };
  const asRoot = facts.uid === 0 && !userNamespace;
  const becomes = walls.has("user") && asRoot;
  const confines = walls.size > 0;

  const init: Step[] = [];
  if (userNamespace) {
    // Root without root's capabilities stays root out there, but nobody has to feel like it inside.
    const [insideUid, insideGid] = facts.uid === 0 ? [NOBODY, NOBODY] : [facts.uid, facts.gid];
    init.push({ do: "map-ids", uid: facts.uid, gid: facts.gid, insideUid, insideGid });
  }
  init.push({ do: "session" }, { do: "die-with-kernel" });
  if (!walls.has("pid")) init.push({ do: "adopt-orphans" });
  if (cgroup !== null && confines && (asRoot || userNamespace)) init.push({ do: "hide-hierarchy" });
  if (walls.has("uts")) init.push({ do: "hostname", name: hostnameOf(request.name) });
  if (walls.has("net")) init.push({ do: "loopback" });
  if (input.handsOver) init.push({ do: "hand-over", ...input.handsOver });
  if (walls.has("mount")) init.push(...mountSteps(input));
  init.push({ do: "hide" });
  if (walls.has("caps") && (asRoot || userNamespace)) {
    init.push({ do: "drop-bounding", last: facts.lastCapability });
  }
  if (becomes) init.push({ do: "own-output", ...ids });

  const agent: Step[] = [{ do: "session" }];
  if (request.tty) agent.push({ do: "terminal" });
  if (confines) agent.push(...limitSteps(input), { do: "no-new-privileges" });
  if (walls.has("landlock")) agent.push(landlockStep(input));
  if (becomes) agent.push({ do: "become", ...ids });
  if (walls.has("caps")) agent.push({ do: "drop-capabilities" });
  if (!walls.has("pid")) agent.push({ do: "die-with-init" });
  agent.push({ do: "enter", directory: request.cwd });
  if (input.watched) agent.push({ do: "watch" });
  if (walls.has("seccomp")) agent.push({ do: "seccomp" });
  agent.push({
    do: "execute",
    argv: request.argv,
    env: Object.entries(request.env).map(([name, value]) => `${name}=${value}`),
  });

  const order: readonly Namespace[] = ["user", "pid", "mount", "net", "uts", "ipc"];
  const namespaces = order.filter((name) => name === "user" ? userNamespace : walls.has(name));
  return { outside: [{ do: "clone", namespaces, cgroup }], init, agent };
}

/** The name an agent's machine goes by: `clove-` and the agent's name, cut to the 64 bytes of a hostname. */
export function hostnameOf(name: string): string {
  return `clove-${name.replaceAll(/[^A-Za-z0-9.-]/g, "-")}`.slice(0, 64);
}

function mountSteps(input: PlanInput): Step[] {
  const { request, facts, sources, files } = input;
  const mounts = orderMounts(request.mounts);
  const tree = new Tree();
  for (const { path } of facts.links) tree.claim(path);
  const steps: Step[] = [
    { do: "private-mounts" },
    { do: "mount", type: "tmpfs", target: "/", options: "mode=755,size=1m,nr_inodes=4096", flags: {} },
  ];
  for (const { path, kind } of systemPaths(input)) steps.push(...tree.place(path, kind));
  for (const { path, text } of facts.links) steps.push({ do: "link", path, text });
  for (const { target } of files) steps.push(...tree.place(target, "file"));
  for (const path of ["/proc", "/tmp", "/dev/shm"]) steps.push(...tree.place(path, "directory"));
  for (const path of facts.devices) steps.push(...tree.place(path, "file"));
  for (const [path, text] of DESCRIPTOR_LINKS) steps.push({ do: "link", path, text });
  for (const mount of mounts) {
    // Below another mount the place has to exist already: making it would write to the host.
    if (!mounts.some((other) => other !== mount && isBelow(mount.target, other.target))) {
      steps.push(...tree.place(mount.target, kindOf(mount, sources)));
    }
  }

  for (const { path } of systemPaths(input)) steps.push({ do: "bind", source: path, target: path });
  for (const { source, target } of files) steps.push({ do: "bind", source, target });
  steps.push({ do: "restrict", target: "/", flags: { readOnly: true } });
  for (const path of facts.devices) steps.push({ do: "bind", source: path, target: path });
  steps.push(...procSteps(input));

  const memory = request.limits.memory ?? Infinity;
  const size = (bytes: number): string =>
    `mode=1777,size=${Math.min(bytes, memory)},nr_inodes=${TEMPORARY_INODES}`;
  const shared = { executable: false };
  steps.push(
    { do: "mount", type: "tmpfs", target: "/tmp", options: size(TEMPORARY_BYTES), flags: {} },
    { do: "mount", type: "tmpfs", target: "/dev/shm", options: size(SHARED_MEMORY_BYTES), flags: shared },
  );
  for (const mount of mounts) {
    steps.push({ do: "expose", ...mount, idmap: sources.get(mount.source)?.idmap ?? null });
  }
  steps.push({ do: "pivot" });
  return steps;
}

function systemPaths({ request, facts }: PlanInput): readonly SystemPath[] {
  return request.network === "host" ? [...facts.system, ...facts.resolver] : facts.system;
}

const DESCRIPTOR_LINKS: readonly (readonly [path: string, text: string])[] = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
];

/** Numbers below are kept for the first processes of a pid namespace; the limit has to be larger. */
const RESERVED_PIDS = 300;

function procSteps({ facts, walls, processes, userNamespace }: PlanInput): Step[] {
  const fresh = walls.has("pid");
  const optional = facts.procGuessed;
  const steps: Step[] = fresh
    ? [{ do: "mount", type: "proc", target: "/proc", options: "", flags: { executable: false } }]
    : [
      { do: "bind", source: "/proc", target: "/proc" },
      { do: "restrict", target: "/proc", flags: { readOnly: true, executable: false } },
    ];
  if (fresh && processes !== null && !userNamespace && facts.pidNamespaceLimit) {
    // The first numbers are given out once, so this stops a fork bomb at a few hundred instead of exactly.
    steps.push({ do: "limit-pids", most: RESERVED_PIDS + Math.max(1, processes) });
  }
  for (const path of facts.procReadOnly) {
    steps.push(
      { do: "bind", source: path, target: path, inside: true, optional },
      { do: "restrict", target: path, flags: { readOnly: true, executable: false }, optional },
    );
  }
  for (const { path, kind } of facts.procMasked) {
    steps.push(
      kind === "file" ? { do: "bind", source: "/dev/null", target: path, optional } : {
        do: "mount",
        type: "tmpfs",
        target: path,
        options: "mode=555,size=4k,nr_inodes=1",
        flags: { readOnly: true, executable: false },
        optional,
      },
    );
  }
  return steps;
}

/** Makes the directories that mount points need, once each. */
class Tree {
  readonly #made = new Set<string>(["", "/"]);

  /** Says that something is at a path already. */
  claim(path: string): void {
    this.#made.add(path);
  }

  /** Steps that make an empty place of a kind, and the directories above it. */
  place(path: string, kind: "directory" | "file"): Step[] {
    if (this.#made.has(path)) return [];
    const steps = this.place(path.slice(0, path.lastIndexOf("/")), "directory");
    this.#made.add(path);
    return [...steps, { do: kind, path }];
  }
}

const FORBIDDEN_TARGETS = ["/proc", "/dev", "/sys"];

/** Outer mounts come before those inside them. */
function orderMounts(mounts: readonly Mount[]): readonly Mount[] {
  for (const { source, target } of mounts) {
    const normal = target.startsWith("/") && target !== "/" && !/\/(\.{0,2})(\/|$)/.test(target);
    if (!normal || FORBIDDEN_TARGETS.some((path) => target === path || isBelow(target, path))) {
      throw new LaunchError(
        `Cannot mount ${JSON.stringify(source)} on ${JSON.stringify(target)}: ` +
          `choose a plain absolute path outside /, /proc, /dev and /sys`,
        { step: "plan" },
      );
    }
  }
  return mounts.toSorted((a, b) => a.target.split("/").length - b.target.split("/").length);
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory + "/");
}

function kindOf(mount: Mount, sources: PlanInput["sources"]): "directory" | "file" {
  const facts = sources.get(mount.source);
  if (facts) return facts.kind;
  throw new LaunchError(`Cannot mount ${JSON.stringify(mount.source)}: it does not exist`, { step: "plan" });
}

function limitSteps({ request, facts, processes, userNamespace }: PlanInput): Step[] {
  const limit = (resource: Extract<Step, { do: "limit" }>["resource"], soft: number, hard: number): Step => {
    const most = facts.hardLimits[resource] ?? Infinity;
    return { do: "limit", resource, soft: Math.min(soft, most), hard: Math.min(hard, most) };
  };
  return [
    limit("CORE", 0, 0),
    limit("NOFILE", OPEN_FILES.soft, OPEN_FILES.hard),
    limit("MSGQUEUE", MESSAGE_QUEUE_BYTES, MESSAGE_QUEUE_BYTES),
    limit("NICE", 0, 0),
    ...(typeof request.limits.disk === "number"
      ? [limit("FSIZE", request.limits.disk, request.limits.disk)]
      : []),
    limit("RTPRIO", 0, 0),
    // The machine counts processes by user; only in a user namespace an agent's are counted apart from the others'.
    ...(processes === null || !userNamespace ? [] : [limit("NPROC", processes, processes)]),
  ];
}

/** Dynamic loaders: the machine executes them with every program that is linked. */
const LOADERS = [
  "/lib64/ld-linux-x86-64.so.2",
  "/lib/ld-linux-aarch64.so.1",
  "/lib/ld-musl-x86_64.so.1",
  "/lib/ld-musl-aarch64.so.1",
];

/** What a policy says about files and programs. It was looked up a moment ago, and what has gone since grants nothing. */
function fileRules({ rules, argv }: LaunchRequest): LandlockRule[] {
  if (rules === undefined) return [];
  const programs = rules.programs === null ? [] : new Set([argv[0] ?? "", ...rules.programs, ...LOADERS]);
  return [
    ...rules.files.map((rule) => ({ ...rule, optional: true })),
    ...[...programs].map((path): LandlockRule => ({ path, kind: "file", mode: "execute", optional: true })),
  ];
}

function landlockStep(input: PlanInput): Step {
  const { request, facts, walls, sources, files } = input;
  const alone = !walls.has("mount");
  const closed = request.rules !== undefined && request.rules.programs !== null;
  const readOnly = closed ? "read" : "ro";
  const rules: LandlockRule[] = [];
  // With a root of its own an agent may list what is there: it is only what it was given.
  if (!alone) rules.push({ path: "/", kind: "directory", mode: "list" });
  for (const { path, kind } of systemPaths(input)) rules.push({ path, kind, mode: readOnly });
  if (!alone) { for (const { target } of files) rules.push({ path: target, kind: "file", mode: readOnly }); }
  rules.push({ path: "/proc", kind: "directory", mode: readOnly });
  for (const path of facts.devices) rules.push({ path, kind: "file", mode: "device" });
  if (!alone) {
    if (request.rules === undefined) rules.push({ path: "/tmp", kind: "directory", mode: "rw" });
    rules.push({ path: "/dev/shm", kind: "directory", mode: closed ? "data" : "rw" });
  }
  for (const mount of request.mounts) {
    if (mount.ruled && request.rules !== undefined) continue;
    const mode = mount.mode === "ro" ? readOnly : closed ? "data" : "rw";
    rules.push({ path: alone ? mount.source : mount.target, kind: kindOf(mount, sources), mode });
  }
  rules.push(...fileRules(request));
  const refuseTcp = request.network === "none" && !walls.has("net");
  const connect = refuseTcp ? request.connect : undefined;
  return {
    do: "landlock",
    abi: facts.landlockAbi,
    rules,
    refuseTcp,
    ...(connect === undefined ? {} : { connect }),
  };
}
