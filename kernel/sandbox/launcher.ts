/**
 * The launcher that builds walls: from a request to a running process, or to an error that names the step.
 *
 * @module
 */
import { ffiObstacle } from "../../ffi/libc.ts";
import { closeDescriptor, openDescriptor } from "../../ffi/descriptors.ts";
import { errnoName, LibcError } from "../../ffi/errno.ts";
import { findFailure } from "../../ffi/program.ts";
import {
  type Isolation,
  type Launcher,
  LaunchError,
  type LaunchRequest,
  type Process,
  type Wall,
  type WallReport,
  WALLS,
} from "../agents/launch.ts";
import { assemble } from "./assemble.ts";
import { type Availability, findWalls, type TrialFailure } from "./availability.ts";
import type { AgentCgroup } from "./cgroup.ts";
import { libcControl } from "./control.ts";
import { type MachineFacts, readMachineFacts } from "./facts.ts";
import { IdMaps } from "./idmap.ts";
import { describeIsolation } from "./isolation.ts";
import { allSteps, planSandbox, type SourceFacts } from "./plan.ts";
import { SandboxProcess } from "./process.ts";
import { stepFailed } from "./remedies.ts";
import { reportWalls } from "./report.ts";
import { prepareRunDir, type RunFiles } from "./run_files.ts";
import { examineMounts } from "./sources.ts";
import { Starter } from "./start.ts";
import { Birth } from "./birth.ts";
import { describeStep, type Step } from "./steps.ts";

/** How to make a launcher. */
export interface SandboxOptions {
  /** A directory of ours, mode 0700, where small files and mount points are kept. */
  readonly runDir: string;
  /** Gets one line for whatever is worth a log. */
  readonly log?: (line: string) => void;
  /** `off` leaves cgroups alone. */
  readonly cgroup?: "auto" | "off";
  /** Walls to leave off; for experiments, and for tests that show what a wall holds. */
  readonly without?: readonly Wall[];
}

/** A program path nothing has: a trial ends there, after everything else succeeded. */
const TRIAL_PROGRAM = "/proc/self/clove-trial";

/** See {@link Launcher}. */
export class SandboxLauncher implements Launcher {
  readonly #options: SandboxOptions;
  readonly #facts: MachineFacts;
  readonly #files: RunFiles;
  readonly #starter: Starter;
  readonly #idMaps: IdMaps;
  readonly #off: ReadonlyMap<Wall, string>;
  #available: Promise<Availability> | undefined;

  /** Looks at the machine; starts nothing yet. */
  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#facts = readMachineFacts();
    this.#files = prepareRunDir(options.runDir, this.#facts.uid, this.#facts.gid);
    this.#starter = new Starter(this.#files.directory);
    this.#idMaps = new IdMaps(this.#starter);
    this.#off = new Map((options.without ?? []).map((wall) => [wall, `${wall} was left off on purpose`]));
  }

  get description(): string {
    return `sandbox (${this.#facts.uid === 0 ? "root" : "rootless"}, no cgroup)`;
  }

  async launch(request: LaunchRequest): Promise<Process> {
    const available = await this.#availability();
    const choice = chooseWalls(request, available);
    refuseMissing(request, choice.walls, choice.reasons);
    const asRoot = this.#facts.uid === 0 && !available.userNamespace && choice.walls.has("user");
    const { sources, idMaps } = await examineMounts(request.mounts, {
      asRoot,
      privateDirectory: this.#options.runDir,
      idMap: (uid, gid) => this.#idMaps.get(uid, gid),
    });
    const userNamespace = choice.walls.size > 0 && available.userNamespace;
    const isolation = describeIsolation({
      walls: choice.walls,
      userNamespace,
      noNewPrivileges: choice.walls.size > 0,
      limits: null,
      reasons: choice.reasons,
    });
    return await this.#run(request, {
      walls: choice.walls,
      userNamespace,
      sources,
      idMaps,
      isolation,
      cgroup: null,
    });
  }

  explain(request: LaunchRequest): readonly string[] {
    const off = this.#off;
    const walls = new Set(WALLS.filter((wall) => wall !== "cgroup" && !off.has(wall)));
    const userNamespace = this.#facts.uid !== 0;
    const choice = chooseWalls(request, { walls, userNamespace, reasons: off });
    const sources = new Map(
      request.mounts.map(({ source }): [string, SourceFacts] => {
        return [source, { kind: Deno.statSync(source).isDirectory ? "directory" : "file", idmap: null }];
      }),
    );
    return allSteps(planSandbox({
      request,
      facts: this.#facts,
      walls: choice.walls,
      userNamespace,
      cgroup: null,
      processes: null,
      sources,
      files: this.#files.files,
    })).map(describeStep);
  }

  async probe(): Promise<readonly WallReport[]> {
    return reportWalls(await this.#availability(), this.#facts);
  }

  close(): Promise<void> {
    this.#idMaps[Symbol.dispose]();
    this.#starter[Symbol.dispose]();
    this.#files.remove();
    return Promise.resolve();
  }

  // ---- which walls there are

  #availability(): Promise<Availability> {
    return this.#available ??= this.#findWalls();
  }

  async #findWalls(): Promise<Availability> {
    const trial = (walls: ReadonlySet<Wall>, userNamespace: boolean): Promise<TrialFailure | null> =>
      this.#trial(walls, userNamespace);
    const available = await findWalls(this.#facts, trial, this.#off);
    for (const reason of new Set(available.reasons.values())) this.#options.log?.(reason);
    return available;
  }

  async #trial(walls: ReadonlySet<Wall>, userNamespace: boolean): Promise<TrialFailure | null> {
    const request = trialRequest();
    const isolation = describeIsolation({
      walls,
      userNamespace,
      noNewPrivileges: true,
      limits: null,
      reasons: new Map(),
    });
    try {
      const sources = new Map();
      await this.#run(request, { walls, userNamespace, sources, idMaps: [], isolation, cgroup: null });
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      return error.planStep?.do === "execute" ? null : { step: error.planStep, message: error.message };
    }
    throw new Error(`Cannot try the walls out: ${TRIAL_PROGRAM} exists`);
  }

  // ---- starting

  async #run(request: LaunchRequest, parts: RunParts): Promise<SandboxProcess> {
    const startedAt = performance.now();
    const { walls, userNamespace, sources, idMaps, isolation, cgroup } = parts;
    const plan = planSandbox({
      request,
      facts: this.#facts,
      walls,
      userNamespace,
      cgroup: cgroup?.path ?? null,
      processes: null,
      sources,
      files: this.#files.files,
    });
    const { program, stepOf } = assemble(plan, {
      arch: this.#facts.arch,
      root: this.#files.root,
      kernelPidfd: Starter.KERNEL_PIDFD,
      kernelPid: Deno.pid,
      handedOver: 1 + idMaps.length,
    });
    const started = startOrExplain(() =>
      this.#starter.start(program, { stdin: request.stdin, handOver: idMaps })
    );

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
      await this.#clearAway(started, birth.init);
      throw error;
    }
    const { init } = birth;
    const process = new SandboxProcess({
      request,
      started,
      control: libcControl,
      isolation,
      cgroup,
      init,
      pid: pid ?? init,
      startedAt,
      openNetwork: () => openNetwork(init, walls),
      release: (netns) => {
        if (netns !== null) closeDescriptor(netns);
      },
      resize: () => {},
    });
    birth.deliver((message) => process.receive(message));
    return process;
  }

  /** Ends and reaps what a failed launch left. */
  async #clearAway(started: ReturnType<Starter["start"]>, init: number): Promise<void> {
    for (const socket of [started.status, started.stdin, started.stdout, started.stderr, started.channel]) {
      socket?.destroy();
    }
    if (init !== 0) libcControl.signal(init, init, "SIGKILL");
    for (const pid of init === 0 ? [started.launcher] : [started.launcher, init]) {
      while (libcControl.ended(pid) === "running") await new Promise((done) => setTimeout(done, 1));
    }
  }
}

interface RunParts {
  readonly walls: ReadonlySet<Wall>;
  readonly userNamespace: boolean;
  readonly sources: ReadonlyMap<string, SourceFacts>;
  readonly idMaps: readonly number[];
  readonly isolation: Isolation;
  readonly cgroup: AgentCgroup | null;
}

/** A launch that a step of the plan ended. */
class StepError extends LaunchError {
  readonly planStep: Step | undefined;

  constructor(name: string, step: Step | undefined, errno: string) {
    super(stepFailed(name, step, errno).message, { step: name, errno });
    this.planStep = step;
  }
}

function startOrExplain<T>(start: () => T): T {
  try {
    return start();
  } catch (error) {
    if (!(error instanceof LibcError)) throw error;
    const remedy = error.code === "EMFILE" || error.code === "ENFILE"
      ? ", raise the limit of open files (ulimit -n) or end some agents"
      : error.code === "EAGAIN" || error.code === "ENOMEM"
      ? ", end some agents"
      : "";
    throw new LaunchError(error.message + remedy, { step: error.call, errno: error.code, cause: error });
  }
}

/** The walls of one request, and why others are not among them. */
function chooseWalls(
  request: LaunchRequest,
  available: Availability,
): { readonly walls: ReadonlySet<Wall>; readonly reasons: ReadonlyMap<Wall, string> } {
  if (!request.sandboxed) {
    return { walls: new Set(), reasons: new Map(WALLS.map((wall) => [wall, "Sandboxing disabled"])) };
  }
  const walls = new Set(available.walls);
  const reasons = new Map(available.reasons);
  if (request.network === "host" && walls.delete("net")) {
    reasons.set("net", "the host's network was asked for");
  }
  if (!walls.has("cgroup") && !reasons.has("cgroup")) reasons.set("cgroup", "cgroup v2 not available");
  return { walls, reasons };
}

function refuseMissing(
  request: LaunchRequest,
  walls: ReadonlySet<Wall>,
  reasons: ReadonlyMap<Wall, string>,
): void {
  for (const wall of request.require) {
    if (walls.has(wall)) continue;
    throw new LaunchError(
      `Cannot start ${JSON.stringify(request.name)} with the wall ${wall}: ${
        reasons.get(wall) ?? "it is not there"
      }`,
      { step: `require ${wall}`, refused: true },
    );
  }
}

function openNetwork(init: number, walls: ReadonlySet<Wall>): number | null {
  if (!walls.has("net") || ffiObstacle() !== null) return null;
  return openDescriptor(`/proc/${init}/ns/net`, "read");
}

function trialRequest(): LaunchRequest {
  return {
    id: 0,
    name: "trial",
    argv: [TRIAL_PROGRAM],
    env: {},
    cwd: "/",
    mounts: [],
    network: "none",
    sandboxed: true,
    limits: { memory: null, max_pids: null, cpu_quota: null, cpu_period: 100_000, cpu_shares: 1024 },
    require: [],
    stdin: "null",
    tty: null,
  };
}
