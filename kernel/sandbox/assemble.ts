/**
 * Builds the syscall program of a plan.
 *
 * Three processes walk it. The launcher clones init and leaves (or stays as monitor, where it was not started through
 * libc). Init builds the walls, starts the agent with vfork, reaps what is left to it, reports how the agent ended and
 * takes the sandbox down by leaving. The agent gives up what it must not have and becomes its program.
 *
 * Descriptors have fixed numbers in all of them: 0, 1, 2 and 3 are the agent's, 4 is the status pipe, those handed
 * over follow, and since everything above is closed first, what a call opens has a number known in advance.
 *
 * @module
 */
import type { Arch } from "../../ffi/arch.ts";
import * as capabilities from "../../ffi/capabilities.ts";
import { hideHierarchy, openCgroup } from "../../ffi/cgroups.ts";
import { sendDescriptors } from "../../ffi/handover.ts";
import * as landlock from "../../ffi/landlock.ts";
import { listenInProgram } from "../../ffi/listening.ts";
import * as mounts from "../../ffi/mounts.ts";
import * as namespaces from "../../ffi/namespaces.ts";
import { Chain, type Entry, Program } from "../../ffi/program.ts";
import { installNotifier } from "../../ffi/notify.ts";
import { installFilter } from "../../ffi/seccomp.ts";
import type { Plan } from "./plan.ts";
import { ENDED_BYTES, PID_BYTES, STATUS } from "./status.ts";
import type { Namespace, Step } from "./steps.ts";
import { agentFilter, WATCHED } from "./syscall_filter.ts";

/** Descriptor numbers inside a launch. */
export const DESCRIPTORS = { input: 0, output: 1, error: 2, channel: 3, status: 4 } as const;
const FIRST_HANDED_OVER = 5;

const AT_FDCWD = -100;
const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const O_CLOEXEC = 0o2000000;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0x7fffffff;
const TIOCSCTTY = 0x540e;
const WALL = 0x40000000;
const RELAY_BYTES = 4096;

const CLONE_FLAGS: Readonly<Record<Namespace, number>> = {
  pid: namespaces.CLONE.NEWPID,
  mount: namespaces.CLONE.NEWNS,
  net: namespaces.CLONE.NEWNET,
  uts: namespaces.CLONE.NEWUTS,
  ipc: namespaces.CLONE.NEWIPC,
  user: namespaces.CLONE.NEWUSER,
};

/** How a program is going to be started. */
export interface Assembly {
  readonly arch: Arch;
  /** An existing directory of the host over which the new root is built. */
  readonly root: string;
  /** Number of the kernel's pidfd, or null for a program that stays as monitor and asks for its parent instead. */
  readonly kernelPidfd: number | null;
  /** The kernel's process id, for the monitor. */
  readonly kernelPid: number;
  /**
   * How many descriptors are handed over from number 5 on, those of a terminal left out. With the step `hand-over`
   * the last is the socket for it; with the step `watch` the one before, or else the last, is the socket for that.
   */
  readonly handedOver: number;
  /** Three more follow, for the relays of a terminal: its master, the kernel's pipe to write, the one to read. */
  readonly terminal: boolean;
}

/** A program, and which step of the plan each of its entries belongs to. */
export interface Assembled {
  readonly program: Program;
  /** By {@link Entry.index}; absent for what belongs to no step. */
  readonly stepOf: ReadonlyMap<number, Step>;
}

/** Builds the program. */
export function assemble(plan: Plan, assembly: Assembly): Assembled {
  return new Assembler(plan, assembly);
}

class Assembler implements Assembled {
  readonly program: Program;
  readonly stepOf: Map<number, Step> = new Map();
  readonly #plan: Plan;
  readonly #assembly: Assembly;
  /** The lowest number that is free in launcher and init. */
  readonly #free: number;
  /** The first descriptor of the relays. */
  readonly #relayed: number;
  readonly #exit: Entry;
  readonly #failure: Entry;
  /** Iovec of the failure report; its length is known when all is built. */
  readonly #report: number;
  readonly #pidText: number;
  #kernelPidfd: number;
  #initFree: number;

  constructor(plan: Plan, assembly: Assembly) {
    this.#plan = plan;
    this.#assembly = assembly;
    const program = this.program = new Program(assembly.arch);
    this.#relayed = FIRST_HANDED_OVER + assembly.handedOver;
    this.#free = this.#relayed + (assembly.terminal ? 3 : 0);
    this.#kernelPidfd = assembly.kernelPidfd ?? this.#free++;
    this.#initFree = this.#free;
    this.#pidText = program.zeroed(PID_BYTES);
    this.#exit = program.entry("end", "exit_group", [127]);
    program.always(this.#exit, this.#exit);
    const { address } = program.results;
    this.#report = this.#frame(STATUS.FAILED, address, 0);
    this.#failure = program.entry("report a failure", "writev", [DESCRIPTORS.status, this.#report, 2], true);
    program.always(this.#failure, this.#exit);
    this.#launcher(this.#init());
    this.#finishReport();
  }

  /** Remembers that all entries made by `build` belong to a step. */
  #asStep(step: Step, build: () => void): void {
    const first = this.program.entries.length;
    build();
    for (let index = first; index < this.program.entries.length; index++) this.stepOf.set(index, step);
  }

  #chain(): Chain {
    return new Chain(this.program, this.#failure);
  }

  /** Iovec of a frame: header, then body. */
  #frame(kind: number, body: number, length: number): number {
    const { arena } = this.program;
    const header = arena.allocate(8);
    arena.setInt(header, kind);
    arena.setInt(header + 4, length);
    return arena.words([header, 8, body, length]);
  }

  #finishReport(): void {
    const { arena, results } = this.program;
    arena.setWord(this.#report + 24, results.length);
    arena.setInt(this.#report - 8 + 4, results.length); // the header lies just before its iovec
  }

  #send(chain: Chain, name: string, kind: number, body: number, length: number): void {
    chain.attempt(name, "writev", [DESCRIPTORS.status, this.#frame(kind, body, length), 2]);
  }

  // ---- the launcher

  #launcher(init: Entry): void {
    const { program } = this;
    const monitors = this.#assembly.kernelPidfd === null;
    const launcher = this.#chain();
    let free = this.#free;
    if (monitors) {
      free = this.#kernelPidfd;
      capabilities.dieWithParent(launcher);
      launcher.expect(this.#assembly.kernelPid, this.#exit, "look for the kernel", "getppid", []);
    }
    launcher.add("close what was inherited", "close_range", [free, LAST_DESCRIPTOR, 0]);
    if (monitors) {
      // Init watches the monitor as it otherwise watches the kernel.
      const self = launcher.attempt("look at itself", "getpid");
      const open = launcher.add("open its own pidfd", "pidfd_open", [0, 0]);
      program.redirect(self, program.argument(open, 0));
    }
    for (const step of this.#plan.outside) {
      if (step.do !== "clone") {
        throw new TypeError(`Cannot ${step.do} in the launcher: only clone is done there`);
      }
      if (step.cgroup !== null) openCgroup(launcher, step.cgroup);
      const flags = step.namespaces.reduce((sum, name) => sum + CLONE_FLAGS[name], 0) +
        (monitors ? 0 : namespaces.CLONE.PARENT) + (step.cgroup === null ? 0 : namespaces.CLONE.INTO_CGROUP);
      const name = step.namespaces.length > 0 ? `clone ${step.namespaces.join(", ")}` : "clone";
      const options = { flags, notify: monitors, cgroup: this.#free };
      this.stepOf.set(program.entries.length, step);
      const clone = launcher.add(name, "clone3", namespaces.cloneArgs(program, options));
      const after = this.#chain();
      this.#send(after, "tell init's id", STATUS.BORN, program.result(clone), 8);
      if (monitors) {
        after.attempt("close the agent's streams", "close_range", [0, DESCRIPTORS.channel, 0]);
        after.attempt("wait for init", "wait4", [-1, 0, WALL, 0]);
      }
      if (this.#assembly.terminal) after.then(this.#relays());
      else after.add("leave", "exit_group", [0]);
      launcher.then(after.first);
      program.connect(clone, { equal: { word: 0, entry: init } });
    }
    program.startAt(launcher.first);
  }

  /**
   * Between a terminal and the kernel's pipes: the event loop can read pipes without a thread, terminals it cannot.
   * The launcher stays and copies what the agent prints, until nobody has the terminal open any more; its child
   * copies what is typed.
   */
  #relays(): Entry {
    const { program } = this;
    const [master, output, input] = [this.#relayed, this.#relayed + 1, this.#relayed + 2];
    const start = this.#chain();
    start.attempt("close the terminal", "close_range", [0, DESCRIPTORS.status, 0]);
    capabilities.dieWithParent(start);
    const options = { flags: 0, notify: true };
    const clone = start.add("clone the relay of input", "clone3", namespaces.cloneArgs(program, options));

    const typed = this.#chain();
    capabilities.dieWithParent(typed);
    typed.add("close the relay's output", "close", [output]);
    const endOfInput = this.#chain();
    endOfInput.attempt("type the end of input", "write", [master, "\x04", 1]);
    endOfInput.add("leave", "exit_group", [0]);
    typed.then(this.#copy(input, master, endOfInput.first));
    program.connect(clone, { equal: { word: 0, entry: typed.first } });

    const printed = this.#chain();
    printed.add("close the relay's input", "close", [input]);
    printed.then(this.#copy(master, output, this.#exit));
    program.connect(clone, { other: printed.first });
    return start.first;
  }

  /** Copies until there is no more, or nobody to take it. */
  #copy(from: number, to: number, end: Entry): Entry {
    const { program } = this;
    const buffer = program.zeroed(RELAY_BYTES);
    const read = program.entry("read", "read", [from, buffer, RELAY_BYTES], true);
    const write = program.entry("write", "write", [to, buffer, 0], true);
    program.redirect(read, program.argument(write, 2));
    program.connect(read, { error: end, equal: { word: 0, entry: end }, other: write });
    program.connect(write, { error: end, equal: { word: 0, entry: end }, other: read });
    return read;
  }

  // ---- init

  #init(): Entry {
    const { program } = this;
    const init = this.#chain();
    init.add("close the launcher's descriptors", "close_range", [this.#initFree, LAST_DESCRIPTOR, 0]);
    capabilities.nameProcess(init, "clove-init"); // else it is called by the number of its image's descriptor
    // The host's /proc names processes as the host does; asked through it, the agent learns its number there.
    const hostProc = this.#initFree++;
    init.add("open the host's /proc", "openat", [AT_FDCWD, "/proc", O_PATH_CLOEXEC]);
    for (const step of this.#plan.init) {
      this.#asStep(step, () => {
        if ("optional" in step && step.optional) init.leniently(() => this.#initStep(init, step));
        else this.#initStep(init, step);
      });
    }

    const wait = program.entry("wait for the agent", "wait4", []);
    const flags = namespaces.CLONE.VM + namespaces.CLONE.VFORK + namespaces.CLONE.PARENT_SETTID;
    const parentTid = program.comparison(wait);
    const vfork = init.add(
      "vfork the agent",
      "clone3",
      namespaces.cloneArgs(program, { flags, notify: true, parentTid }),
    );
    const after = this.#chain();
    after.attempt("close the agent's streams", "close_range", [0, DESCRIPTORS.channel, 0]);
    after.attempt("close what was handed over", "close_range", [FIRST_HANDED_OVER, LAST_DESCRIPTOR, 0]);
    if (this.#plan.agent.some(({ do: what }) => what === "drop-capabilities")) {
      capabilities.dropCapabilities(after);
      capabilities.noNewPrivileges(after);
    }
    this.#send(after, "tell that the agent runs", STATUS.STARTED, this.#pidText, PID_BYTES);
    after.then(wait);
    init.then(after.first);
    program.connect(vfork, { equal: { word: 0, entry: this.#agent(hostProc) } });

    // Wait status and rusage go straight into the frame's body.
    const ended = program.zeroed(ENDED_BYTES);
    for (const [i, word] of [-1, ended, WALL, ended + 8].entries()) {
      program.arena.setWord(program.argument(wait, i), word);
    }
    const end = this.#chain();
    this.#send(end, "tell how the agent ended", STATUS.ENDED, ended, ENDED_BYTES);
    end.add("leave", "exit_group", [0]);
    program.connect(wait, { other: wait, error: end.first });
    // The word itself is the agent's number, written by clone; only the successor is set here.
    program.connect(wait, { equal: { word: 0, entry: end.first } });
    return init.first;
  }

  #initStep(chain: Chain, step: Step): void {
    const root = this.#assembly.root;
    const at = (path: string): string => path === "/" ? root : root + path;
    const free = this.#initFree;
    switch (step.do) {
      case "map-ids":
        return namespaces.mapIds(chain, free, step);
      case "session":
        chain.attempt("begin a session", "setsid");
        return;
      case "die-with-kernel": {
        capabilities.dieWithParent(chain);
        const arguments_ = capabilities.pollArguments(chain, this.#kernelPidfd);
        chain.expect(0, this.#exit, "look whether the kernel lives", "ppoll", arguments_);
        return;
      }
      case "adopt-orphans":
        return capabilities.adoptOrphans(chain);
      case "hostname":
        namespaces.setHostname(chain, step.name);
        return;
      case "loopback":
        return namespaces.loopbackUp(chain, free);
      case "hand-over": {
        const socket = FIRST_HANDED_OVER + this.#assembly.handedOver - 1;
        const descriptors: number[] = [];
        for (const name of step.namespaces ? ["net", "user"] : []) {
          chain.add(`open the ${name} namespace`, "openat", [AT_FDCWD, `/proc/self/ns/${name}`, O_CLOEXEC]);
          descriptors.push(free + descriptors.length);
        }
        if (step.listen !== null) {
          listenInProgram(chain, free + descriptors.length, step.listen);
          descriptors.push(free + descriptors.length);
        }
        sendDescriptors(chain, socket, descriptors);
        chain.add("close what was sent", "close_range", [free, descriptors.at(-1)!, 0]);
        return;
      }
      case "private-mounts":
        return mounts.makePrivate(chain);
      case "mount":
        return mounts.mountNew(chain, step.type, at(step.target), step.options, step.flags);
      case "directory":
        return mounts.makeDirectory(chain, at(step.path));
      case "file":
        return mounts.makeFile(chain, at(step.path));
      case "link":
        return mounts.makeLink(chain, step.text, at(step.path));
      case "bind":
        return mounts.bind(chain, step.inside ? at(step.source) : step.source, at(step.target));
      case "restrict":
        return mounts.restrict(chain, `restrict ${step.target}`, at(step.target), step.flags);
      case "expose":
        return mounts.bindExactly(chain, free, {
          source: step.source,
          target: at(step.target),
          flags: { readOnly: step.mode === "ro" },
          ...(step.idmap === null ? {} : { idmap: FIRST_HANDED_OVER + 1 + step.idmap }),
        });
      case "limit-pids":
        return namespaces.writeFile(chain, free, at("/proc/sys/kernel/pid_max"), String(step.most));
      case "pivot":
        return mounts.pivot(chain, root);
      case "hide-hierarchy":
        return hideHierarchy(chain);
      case "drop-bounding":
        return capabilities.dropBoundingSet(chain, step.last);
      case "own-output":
        for (const fd of [DESCRIPTORS.input, DESCRIPTORS.output, DESCRIPTORS.error]) {
          // /dev/null as input belongs to the machine, and a pipe to whoever made it.
          if (fd !== DESCRIPTORS.input) {
            chain.attempt(`own descriptor ${fd}`, "fchown", [fd, step.uid, step.gid]);
          }
        }
        return;
      case "hide":
        return capabilities.hide(chain);
      default:
        throw new TypeError(`Cannot ${step.do} in init: it is not done there`);
    }
  }

  // ---- the agent

  #agent(hostProc: number): Entry {
    const agent = this.#chain();
    agent.attempt("learn its number on the host", "readlinkat", [
      hostProc,
      "self",
      this.#pidText,
      PID_BYTES - 1,
    ]);
    for (const step of this.#plan.agent) this.#asStep(step, () => this.#agentStep(agent, step));
    return agent.first;
  }

  #agentStep(chain: Chain, step: Step): void {
    switch (step.do) {
      case "session":
        chain.add("begin a session", "setsid");
        return;
      case "terminal":
        chain.add("take the terminal", "ioctl", [DESCRIPTORS.input, TIOCSCTTY, 0]);
        return;
      case "limit":
        return capabilities.limitResource(chain, step.resource, step.soft, step.hard);
      case "no-new-privileges":
        return capabilities.noNewPrivileges(chain);
      case "landlock":
        return landlock.restrictSelf(chain, this.#initFree, step);
      case "become":
        return capabilities.becomeUser(chain, step.uid, step.gid);
      case "drop-capabilities":
        return capabilities.dropCapabilities(chain);
      case "die-with-init":
        return capabilities.dieWithParent(chain);
      case "enter":
        chain.add(`enter ${step.directory}`, "chdir", [step.directory]);
        return;
      case "watch": {
        const after = this.#plan.init.some(({ do: what }) => what === "hand-over") ? 2 : 1;
        installNotifier(chain, WATCHED, this.#assembly.arch);
        sendDescriptors(chain, FIRST_HANDED_OVER + this.#assembly.handedOver - after, [this.#initFree]);
        return;
      }
      case "seccomp":
        // Last before the program: the filter refuses what the steps above needed.
        return installFilter(chain, agentFilter(this.#assembly.arch));
      case "execute": {
        const { arena } = this.program;
        const path = step.argv[0] ?? "";
        const all = [DESCRIPTORS.status, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC];
        chain.attempt("set the file mode mask", "umask", [0o022]);
        chain.add("keep four descriptors only", "close_range", all);
        chain.add(`execute ${path}`, "execve", [path, arena.pointers(step.argv), arena.pointers(step.env)]);
        return;
      }
      default:
        throw new TypeError(`Cannot ${step.do} in the agent: it is not done there`);
    }
  }
}
