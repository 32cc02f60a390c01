/**
 * The seam between the kernel's bookkeeping of agents and the way a process is really started.
 *
 * A {@link Launcher} turns a {@link LaunchRequest} into a running {@link Process}. There are two: the plain one
 * (an ordinary child process, no walls but Deno's own) and the sandbox (namespaces, seccomp, Landlock, cgroup).
 * Nothing above this file knows which it talks to; what was really achieved is in {@link Isolation}.
 *
 * @module
 */
import type { Server, Socket } from "node:net";

/** The walls an operating system can put around an agent, by the names of `require` and `isolation`. */
export const WALLS = [
  "pid",
  "mount",
  "net",
  "uts",
  "ipc",
  "user",
  "caps",
  "seccomp",
  "landlock",
  "cgroup",
] as const;

/** One wall. */
export type Wall = (typeof WALLS)[number];

/** Resource limits in the kernel's own units; `null` is "no limit". All numbers are 64-bit clean integers. */
export interface Limits {
  /** Bytes, for `memory.max`. */
  readonly memory: number | null;
  /** Processes and threads, for `pids.max`. */
  readonly max_pids: number | null;
  /** Microseconds of CPU per period, for `cpu.max`. */
  readonly cpu_quota: number | null;
  /** Microseconds, for `cpu.max`. */
  readonly cpu_period: number;
  /** Relative weight, 1024 is normal, for `cpu.weight`. */
  readonly cpu_shares: number;
  /** Bytes from which on the kernel slows the agent down and takes memory back, for `memory.high`. */
  readonly memory_high?: number | null;
  /** Bytes of swap beside `memory`, for `memory.swap.max`. Absent: none where memory is limited. */
  readonly memory_swap?: number | null;
  /** Bytes a second read from each device that its writable places are on, for `io.max`. */
  readonly io_read_bps?: number | null;
  /** Bytes a second written, likewise. */
  readonly io_write_bps?: number | null;
  /** Reads a second, likewise. */
  readonly io_read_iops?: number | null;
  /** Writes a second, likewise. */
  readonly io_write_iops?: number | null;
  /** Bytes in its private directories; the largest size of one file it writes, too. */
  readonly disk?: number | null;
}

/** A place of the host that the agent sees. */
export interface Mount {
  /** Absolute, resolved path on the host. */
  readonly source: string;
  /** Absolute path inside the sandbox (equal to `source` where there is no mount namespace). */
  readonly target: string;
  readonly mode: "ro" | "rw";
  /** What may be done in it is said by {@link LaunchRequest.rules}, where there is Landlock to hold to that. */
  readonly ruled?: boolean;
}

/** What a program may do beyond reading the system: for Landlock. */
export interface FileRules {
  /** Paths as seen inside, with all below a directory; `list` is the names in a directory. */
  readonly files: readonly {
    readonly path: string;
    readonly kind: "directory" | "file";
    readonly mode: "read" | "write" | "list";
  }[];
  /** The programs that may be executed beside the agent's own, absolute as seen inside; null is all. */
  readonly programs: readonly string[] | null;
}

/** Everything needed to start one process; already checked and resolved by the caller. */
export interface LaunchRequest {
  readonly id: number;
  readonly name: string;
  /** Absolute path of the program first; paths are as seen inside. */
  readonly argv: readonly string[];
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Working directory as seen inside. */
  readonly cwd: string;
  readonly mounts: readonly Mount[];
  /** Absent: the whole of every mount, and every program. */
  readonly rules?: FileRules;
  /** `none`: a network namespace with nothing but loopback. `host`: the machine's own network. */
  readonly network: "none" | "host";
  /** False: an ordinary process was asked for (`sandboxed: false`); walls are then absent by wish, and said so. */
  readonly sandboxed: boolean;
  readonly limits: Limits;
  /** A cgroup of {@link Process.cgroup}, whose limits the process shares; its own `limits` are then not applied. */
  readonly shares?: string;
  /** Walls whose absence must refuse the launch. */
  readonly require: readonly Wall[];
  /** `null`: no input (reads see end of file). `pipe`: {@link Process.stdin} is writable. */
  readonly stdin: "null" | "pipe";
  /** A pseudo-terminal of this size instead of three pipes. */
  readonly tty: { readonly rows: number; readonly columns: number } | null;
  /** With a network namespace: the kernel listens on this port of its 127.0.0.1 before the program runs. */
  readonly listen?: number;
  /**
   * Gets the descriptor of a seccomp listener that is told of every call about files and programs, before the program
   * runs. Calls wait until they are let go on, and fail once it is closed. Ignored where there is no seccomp or libc.
   */
  readonly onListener?: (listener: number) => void;
  /** Without a network namespace, where TCP is refused in another way: the port that may be connected to. */
  readonly connect?: number;
}

/** What really stands around a process, with the fields the original's clients read. */
export interface Isolation {
  /** True only if every wall stands and every limit that was asked for was applied and read back. */
  readonly fully_isolated: boolean;
  readonly namespaces: {
    readonly pid: boolean;
    readonly net: boolean;
    readonly mnt: boolean;
    readonly uts: boolean;
    readonly ipc: boolean;
    readonly user: boolean;
  };
  readonly cgroups: {
    readonly available: boolean;
    readonly memory_limit: boolean;
    readonly cpu_quota: boolean;
    readonly pids_limit: boolean;
  };
  readonly seccomp: boolean;
  readonly landlock: boolean;
  readonly capabilities_dropped: boolean;
  readonly no_new_privs: boolean;
  /** Walls that are not there. */
  readonly missing: readonly Wall[];
  /** Why, in one sentence; absent when nothing is missing. */
  readonly degraded_reason?: string;
}

/** How a process ended. */
export interface Exit {
  /** 0-255; 128 + signal number when a signal ended it. */
  readonly code: number;
  /** Such as `SIGKILL`; null when it exited by itself. */
  readonly signal: string | null;
  /** `oom` is the cgroup's memory limit. */
  readonly reason: "exited" | "killed" | "oom" | "crashed";
  /** In words: `exited with status 3`, `killed by the memory limit, 64 MiB`. */
  readonly cause: string;
  /** Milliseconds from start to observed end. */
  readonly duration_ms: number;
  /** Null where the machine does not tell. */
  readonly usage: { readonly user_ms: number; readonly system_ms: number; readonly max_rss: number } | null;
}

/** A started process. Every method is asynchronous and never blocks the event loop. */
export interface Process {
  /** Process id as the kernel's host sees it. */
  readonly pid: number;
  readonly isolation: Isolation;
  /** The kernel's end of the agent's file descriptor 3. */
  readonly channel: Socket;
  /** Null when {@link LaunchRequest.stdin} was `null` and there is no tty. */
  readonly stdin: Socket | null;
  readonly stdout: Socket;
  /** Null with a tty, where both streams are one. */
  readonly stderr: Socket | null;
  /** Resolves once, after output has ended or was given up; never rejects. */
  readonly exited: Promise<Exit>;
  /** Sends a signal such as `SIGTERM` to the agent itself. Resolves false if it is gone. */
  signal(signal: string): Promise<boolean>;
  /** Stops every process of the agent: freezer, else SIGSTOP to its process group. */
  pause(): Promise<void>;
  /** Undoes {@link pause}. */
  resume(): Promise<void>;
  /** Ends every process of the agent at once, also when paused. Resolves when the end was observed. */
  kill(): Promise<void>;
  /** Applies new limits to the running process; resolves with the ones that really hold now. */
  setLimits(limits: Limits): Promise<{ applied: Limits; missing: readonly string[] }>;
  /** Window size of the tty; nothing without one. */
  resize(rows: number, columns: number): void;
  /** Calls back on memory pressure, near-limit memory, refused forks and throttling. Returns the undo. */
  onPressure(listener: (warning: Pressure) => void): () => void;
  /** Host directory of the agent's cgroup, or null. */
  readonly cgroup: string | null;
  /** File descriptor of the agent's network namespace, or null. */
  readonly netns: number | null;
  /** What listens on {@link LaunchRequest.listen}, for the caller to close; absent where nothing does. */
  readonly listener?: Server;
}

/** A limit that is near or was hit, for RESOURCE_WARNING. */
export interface Pressure {
  readonly resource: "memory" | "cpu" | "pids" | "io" | "disk";
  /** Bytes, processes, or microseconds stalled. */
  readonly used: number;
  readonly limit: number | null;
  readonly percent: number;
  /** In words, such as `memory.high was exceeded 3 times`. */
  readonly detail: string;
}

/** What has to be known about a process before its files are laid out. */
export interface Layout {
  /** True when mounts take place. Where they do not, every target has to equal its source. */
  readonly mounts: boolean;
  /** The user and group on the host that the process will be; null is the kernel's own. */
  readonly uid: number | null;
  readonly gid: number | null;
  /**
   * What `network: "none"` will be: `listening` is a namespace in which {@link LaunchRequest.listen} works, `sealed` one
   * in which it does not, `shared` is the machine's own network.
   */
  readonly network: "listening" | "sealed" | "shared";
}

/** Starts processes. */
export interface Launcher {
  /** One line for the log and `clove doctor`: `sandbox (root, cgroup v2 at …)`. */
  readonly description: string;
  /**
   * Starts a process.
   *
   * @throws {LaunchError} When the program cannot be started or a required wall cannot be had.
   */
  launch(request: LaunchRequest): Promise<Process>;
  /** What a process will be like. Absent: no mounts, the kernel's own user. */
  layout?(sandboxed: boolean): Promise<Layout>;
  /** The named steps {@link launch} would take, without doing them. */
  explain(request: LaunchRequest): readonly string[];
  /** Which walls this machine offers and what blocks the others, with the remedy. */
  probe(): Promise<readonly WallReport[]>;
  /** Releases what the launcher itself holds; running processes must have been ended before. */
  close(): Promise<void>;
}

/** One line of `clove doctor`. */
export interface WallReport {
  readonly wall: Wall;
  readonly available: boolean;
  /** `Landlock ABI 6`, or why it cannot be had. */
  readonly detail: string;
  /** What a person can do about it; empty when available. */
  readonly remedy: string;
}

/** A launch that did not happen. `step` is the named step of the plan that failed. */
export class LaunchError extends Error {
  /** The step of the plan, such as `mount /proc`. */
  readonly step: string;
  /** Such as `EPERM`; empty when no system call failed. */
  readonly errno: string;
  /** True when a required wall is missing, as opposed to something that broke. */
  readonly refused: boolean;

  /** Says which step failed and why. */
  constructor(
    message: string,
    options: { step: string; errno?: string; refused?: boolean; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.name = "LaunchError";
    this.step = options.step;
    this.errno = options.errno ?? "";
    this.refused = options.refused ?? false;
  }
}
