/**
 * Carries plans out: builds the program, starts it, waits until the agent runs or a step failed.
 *
 * @module
 */
import { closeDescriptor, socketPair } from "../../ffi/descriptors.ts";
import { errnoName, LibcError } from "../../ffi/errno.ts";
import { receiveDescriptors } from "../../ffi/handover.ts";
import { waitReadable } from "../../ffi/notify.ts";
import { findFailure } from "../../ffi/program.ts";
import { setTerminalSize } from "../../ffi/terminal.ts";
import { type Isolation, LaunchError, type LaunchRequest, type Wall } from "../agents/launch.ts";
import { assemble } from "./assemble.ts";
import { Birth } from "./birth.ts";
import type { ProcessCgroup } from "./cgroup.ts";
import type { MachineFacts } from "./facts.ts";
import { planSandbox, type SourceFacts } from "./plan.ts";
import { adoptListener, Network } from "./network.ts";
import { SandboxProcess } from "./process.ts";
import { stepFailed } from "./remedies.ts";
import type { RunFiles } from "./run_files.ts";
import type { Started, StartMethod } from "./start.ts";
import type { Step } from "./steps.ts";

/** What a plan follows from, beside the request and the machine. */
export interface RunParts {
  readonly walls: ReadonlySet<Wall>;
  readonly userNamespace: boolean;
  readonly processes: number | null;
  readonly sources: ReadonlyMap<string, SourceFacts>;
  /** Descriptors of the user namespaces that sources name. */
  readonly idMaps: readonly number[];
  readonly isolation: Isolation;
  readonly cgroup: ProcessCgroup | null;
}

/** One wait for a descriptor; then it is waited again. */
const HANDOVER_WAIT_MS = 1_000;

/** A launch that a step of the plan ended. */
export class StepError extends LaunchError {
  /** The step; undefined for what belongs to none. */
  readonly planStep: Step | undefined;

  /** Says what failed and what to do about it. */
  constructor(name: string, step: Step | undefined, errno: string) {
    super(stepFailed(name, step, errno).message, { step: name, errno });
    this.planStep = step;
  }
}

/** Starts sandboxes on one machine. */
export class Runner {
  readonly #facts: MachineFacts;
  readonly #files: RunFiles;
  readonly #method: StartMethod;

  /** Takes what stays the same from launch to launch. */
  constructor(facts: MachineFacts, files: RunFiles, method: StartMethod) {
    this.#facts = facts;
    this.#files = files;
    this.#method = method;
  }

  /**
   * Starts a process.
   *
   * @throws {LaunchError} If a step failed; nothing is left running then.
   */
  async run(request: LaunchRequest, parts: RunParts): Promise<SandboxProcess> {
    const startedAt = performance.now();
    const method = this.#method;
    const { cgroup, idMaps, walls, isolation } = parts;
    const isLibc = method.kernelPidfd !== null;
    const hasNetwork = isLibc && walls.has("net");
    // Init cannot be looked into, unless by root: an ordinary user's kernel is given its namespaces.
    const namespaces = hasNetwork && parts.userNamespace;
    const listen = hasNetwork ? request.listen ?? null : null;
    const handsOver = namespaces || listen !== null ? { namespaces, listen } : null;
    const watched = isLibc && walls.has("seccomp") && request.onListener !== undefined;
    const plan = planSandbox({
      ...parts,
      handsOver,
      watched,
      request,
      facts: this.#facts,
      cgroup: cgroup?.leaf ?? null,
      files: this.#files.files,
    });
    const { program, stepOf } = explainRange(() =>
      assemble(plan, {
        arch: this.#facts.arch,
        root: this.#files.root,
        kernelPidfd: method.kernelPidfd,
        kernelPid: Deno.pid,
        handedOver: (isLibc ? 1 : 0) + idMaps.length + (watched ? 1 : 0) + (handsOver ? 1 : 0),
        terminal: request.tty !== null,
      })
    );
    const { stdin, tty } = request;
    const handover = handsOver ? explainLibc(() => new Handover()) : null;
    let watching: Handover | null = null;
    let started: Started;
    try {
      watching = watched ? explainLibc(() => new Handover()) : null;
      const handOver = [...idMaps, ...[watching, handover].flatMap((each) => each ? [each.theirs] : [])];
      started = explainLibc(() => method.start(program, { stdin, handOver, tty }));
    } catch (error) {
      watching?.take();
      handover?.take();
      throw error;
    }
    // The program's own start is a call that waits: the listener has to be there before.
    const listened = watching?.wait().then((listener) => {
      if (listener !== null) request.onListener!(listener);
    });
    const birth = new Birth(started.status, (results) => {
      const failure = findFailure(program.entries, results);
      return failure
        ? new StepError(failure.step, stepOf.get(failure.index), errnoName(failure.errno))
        : new LaunchError("Cannot start the sandbox: a step failed without an errno", { step: "launch" });
    });
    let pid: number | null;
    try {
      pid = await birth.begun;
    } catch (error) {
      await this.#clearAway(started, birth);
      await listened;
      handover?.take().forEach(closeDescriptor);
      throw error;
    }
    const { init } = birth;
    const received = [...handover?.take() ?? []];
    const listening = listen === null ? undefined : received.pop();
    const process = new SandboxProcess({
      started,
      control: method.control,
      isolation,
      cgroup,
      init,
      pid: pid ?? init,
      startedAt,
      network: hasNetwork ? new Network(init, method, received) : null,
      listener: listening === undefined ? undefined : await adoptListener(listening),
      release: started.release,
      resize: (rows, columns) => {
        if (started.master !== null) setTerminalSize(started.master, rows, columns);
      },
    });
    birth.deliver((message) => process.receive(message));
    return process;
  }

  /** Waits for the processes of a failed launch, which end by themselves, and reaps them. */
  async #clearAway(started: Started, birth: Birth): Promise<void> {
    for (const socket of [started.stdin, started.stdout, started.stderr, started.channel]) socket?.destroy();
    await birth.over;
    for (const pid of birth.init === 0 ? [started.launcher] : [started.launcher, birth.init]) {
      while (this.#method.control.ended(pid) === "running") await new Promise((done) => setTimeout(done, 1));
    }
    started.release();
  }
}

/** A socket over which init sends its namespaces. */
class Handover {
  readonly theirs: number;
  readonly #ours: number;

  constructor() {
    [this.#ours, this.theirs] = socketPair();
  }

  /** The one descriptor that will come, or null when nobody is left to send it. The socket is closed. */
  async wait(): Promise<number | null> {
    closeDescriptor(this.theirs);
    try {
      while (await waitReadable(this.#ours, HANDOVER_WAIT_MS) === "idle");
      return receiveDescriptors(this.#ours, 1)[0] ?? null;
    } finally {
      closeDescriptor(this.#ours);
    }
  }

  /** What came: network and user namespace, a listening socket. The socket they came by is closed. */
  take(): readonly number[] {
    try {
      return receiveDescriptors(this.#ours, 3);
    } finally {
      closeDescriptor(this.#ours);
      closeDescriptor(this.theirs);
    }
  }
}

/** What does not fit a program is the request's fault, and said as such. */
function explainRange<T>(build: () => T): T {
  try {
    return build();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new LaunchError(cause.message, { step: "plan", cause });
  }
}

function explainLibc<T>(start: () => T): T {
  try {
    return start();
  } catch (cause) {
    if (!(cause instanceof LibcError)) throw cause;
    const remedy = cause.code === "EMFILE" || cause.code === "ENFILE"
      ? ", raise the limit of open files (ulimit -n) or end some agents"
      : cause.code === "EAGAIN" || cause.code === "ENOMEM"
      ? ", end some agents"
      : "";
    throw new LaunchError(cause.message + remedy, { step: cause.call, errno: cause.code, cause });
  }
}
