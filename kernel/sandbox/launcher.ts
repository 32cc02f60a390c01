/**
 * The launcher that builds walls: chooses them for a request, makes the agent's cgroup, and lets it run.
 *
 * @module
 */
import { statSync } from "node:fs";
import { ffiObstacle } from "../../ffi/libc.ts";
import {
  type Launcher,
  LaunchError,
  type LaunchRequest,
  type Layout,
  type Limits,
  type Process,
  type Wall,
  type WallReport,
  WALLS,
} from "../agents/launch.ts";
import { type Availability, findWalls, type TrialFailure } from "./availability.ts";
import type { ProcessCgroup } from "./cgroup.ts";
import { CgroupRoot } from "./cgroup_root.ts";
import { type Choice, chooseWalls, refuseMissing } from "./choice.ts";
import { deviceOf } from "./devices.ts";
import { type MachineFacts, readMachineFacts } from "./facts.ts";
import { IdMaps } from "./idmap.ts";
import { describeIsolation } from "./isolation.ts";
import { MonitorStarter } from "./monitor.ts";
import { allSteps, NOBODY, planSandbox, type SourceFacts } from "./plan.ts";
import { reportWalls } from "./report.ts";
import { prepareRunDir, type RunFiles } from "./run_files.ts";
import { Runner, StepError } from "./runner.ts";
import { examineMounts } from "./sources.ts";
import { LibcStarter, type StartMethod } from "./start.ts";
import { describeStep } from "./steps.ts";

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
const NO_LIMITS: Limits = {
  memory: null,
  max_pids: null,
  cpu_quota: null,
  cpu_period: 100_000,
  cpu_shares: 1024,
};

/** See {@link Launcher}. */
export class SandboxLauncher implements Launcher {
  readonly description: string;
  readonly #log: (line: string) => void;
  readonly #runDir: string;
  readonly #facts: MachineFacts;
  readonly #files: RunFiles;
  readonly #method: StartMethod;
  readonly #runner: Runner;
  readonly #idMaps: IdMaps;
  readonly #off: ReadonlyMap<Wall, string>;
  readonly #cgroups: CgroupRoot | string;
  #available: Promise<Availability> | undefined;
  #ownDevice: string | null | undefined;

  /** Looks at the machine; starts nothing yet. */
  constructor({ runDir, log = () => {}, cgroup = "auto", without = [] }: SandboxOptions) {
    this.#log = log;
    this.#runDir = runDir;
    this.#facts = readMachineFacts();
    this.#files = prepareRunDir(runDir, this.#facts.uid, this.#facts.gid);
    const obstacle = ffiObstacle();
    this.#method = obstacle === null
      ? new LibcStarter(this.#files.directory)
      : new MonitorStarter(this.#files.directory);
    if (obstacle !== null) log(`sandboxes are started through a monitor process: ${obstacle}`);
    this.#runner = new Runner(this.#facts, this.#files, this.#method);
    this.#idMaps = new IdMaps(this.#method);
    this.#off = new Map(without.map((wall) => [wall, `${wall} was left off on purpose`]));
    const wanted = cgroup === "auto" && !this.#off.has("cgroup");
    this.#cgroups = wanted ? CgroupRoot.open() : "cgroups were left off on purpose";
    const limits = typeof this.#cgroups === "string" ? "no cgroup" : this.#cgroups.description;
    this.description = `sandbox (${this.#facts.uid === 0 ? "root" : "rootless"}, ${limits})`;
  }

  async launch(request: LaunchRequest): Promise<Process> {
    const available = await this.#availability();
    const choice = chooseWalls(request, available);
    refuseMissing(request, choice);
    this.#refuseTerminal(request);
    const userNamespace = choice.walls.has("user") && available.userNamespace;
    const { sources, idMaps } = await examineMounts(request.mounts, {
      asRoot: this.#facts.uid === 0 && !userNamespace && choice.walls.has("user"),
      privateDirectory: this.#runDir,
      idMap: (uid, gid) => this.#idMaps.get(uid, gid),
    });
    const cgroup = choice.walls.has("cgroup") ? this.#makeCgroup(request) : null;
    const { walls, reasons } = choice;
    const isolation = describeIsolation({
      walls,
      reasons,
      userNamespace,
      noNewPrivileges: walls.size > 0,
      limits: cgroup?.held ?? null,
      unmet: cgroup?.missing ?? [],
    });
    try {
      const processes = this.#processLimit(request, choice);
      return await this.#runner.run(request, {
        walls,
        userNamespace,
        processes,
        sources,
        idMaps,
        isolation,
        cgroup,
      });
    } catch (error) {
      await cgroup?.remove();
      throw error;
    }
  }

  async layout(sandboxed: boolean): Promise<Layout> {
    const { walls, userNamespace } = await this.#availability();
    const network = sandboxed && walls.has("net");
    const nobody = sandboxed && this.#facts.uid === 0 && !userNamespace && walls.has("user");
    const id = nobody ? NOBODY : null;
    return {
      mounts: sandboxed && walls.has("mount"),
      uid: id,
      gid: id,
      network: !network ? "shared" : this.#method.kernelPidfd === null ? "sealed" : "listening",
    };
  }

  explain(request: LaunchRequest): readonly string[] {
    const walls = new Set(WALLS.filter((wall) => !this.#off.has(wall)));
    const root = typeof this.#cgroups === "string" ? null : this.#cgroups.path;
    if (root === null) walls.delete("cgroup");
    const choice = chooseWalls(request, {
      walls,
      userNamespace: this.#facts.uid !== 0,
      reasons: this.#off,
    });
    // Nothing is made for an explanation: of the agent's own places only the socket would be no directory.
    const kindOf = (path: string): "directory" | "file" => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found
        ? (found.isDirectory() ? "directory" : "file")
        : path.endsWith(".sock")
        ? "file"
        : "directory";
    };
    const sources = request.mounts.map(({ source }): [string, SourceFacts] => {
      return [source, { kind: kindOf(source), idmap: null }];
    });
    return allSteps(planSandbox({
      request,
      facts: this.#facts,
      walls: choice.walls,
      userNamespace: this.#facts.uid !== 0 && choice.walls.has("user"),
      cgroup: root === null || !request.sandboxed ? null : `${root}/${request.name}_${request.id}`,
      processes: this.#processLimit(request, choice),
      handsOver: request.listen !== undefined && choice.walls.has("net")
        ? { namespaces: false, listen: request.listen }
        : null,
      sources: new Map(sources),
      files: this.#files.files,
    })).map(describeStep);
  }

  async probe(): Promise<readonly WallReport[]> {
    return reportWalls(await this.#availability(), this.#facts, this.#cgroups);
  }

  close(): Promise<void> {
    this.#idMaps[Symbol.dispose]();
    this.#method[Symbol.dispose]();
    this.#files.remove();
    if (typeof this.#cgroups !== "string") this.#cgroups.close();
    return Promise.resolve();
  }

  // ---- one launch

  #refuseTerminal({ name, tty }: LaunchRequest): void {
    if (tty === null || this.#method.kernelPidfd !== null) return;
    throw new LaunchError(
      `Cannot start ${
        JSON.stringify(name)
      } on a terminal: it takes libc to make one, start the kernel with --allow-ffi`,
      { step: "open a pty", refused: true },
    );
  }

  #makeCgroup(request: LaunchRequest): ProcessCgroup {
    const root = this.#cgroups;
    if (typeof root === "string") throw new TypeError("Cannot make a cgroup: there is no root for it");
    const { name, id, limits, shares } = request;
    const cgroup = shares === undefined
      ? root.make(name, id, { limits, devices: this.#devices(request) })
      : root.share(shares);
    if (!cgroup) {
      throw new LaunchError(`Cannot start ${JSON.stringify(name)}: the agent it is for has ended`, {
        step: "make a cgroup",
      });
    }
    if (cgroup.missing.length === 0 || !request.require.includes("cgroup")) return cgroup;
    const missing = cgroup.missing.join(", ");
    cgroup.remove().catch((error: unknown) => this.#log(`a cgroup stays behind: ${String(error)}`));
    throw new LaunchError(
      `Cannot start ${JSON.stringify(name)} with the wall cgroup: ${missing} could not be applied, ` +
        "delegate these controllers",
      { step: "require cgroup", refused: true },
    );
  }

  /** The disks of its writable places; those of our own directory are all on one. */
  #devices({ mounts }: LaunchRequest): readonly (string | null)[] {
    const places = mounts.filter(({ mode }) => mode === "rw").map(({ source }) => source);
    const others = places.filter((place) => !place.startsWith(`${this.#runDir}/`));
    const devices = others.map(deviceOf);
    if (others.length < places.length) devices.push(this.#ownDevice ??= deviceOf(this.#runDir));
    return [...new Set(devices)];
  }

  /** Where no cgroup counts processes, the kernel's older limits do, as well as they can. */
  #processLimit(request: LaunchRequest, { walls }: Choice): number | null {
    return walls.size === 0 || walls.has("cgroup") ? null : request.limits.max_pids;
  }

  // ---- which walls there are

  #availability(): Promise<Availability> {
    return this.#available ??= this.#findWalls();
  }

  async #findWalls(): Promise<Availability> {
    const found = await findWalls(this.#facts, (walls, user) => this.#trial(walls, user), this.#off);
    const walls = new Set(found.walls);
    const reasons = new Map(found.reasons);
    if (typeof this.#cgroups === "string") reasons.set("cgroup", this.#cgroups);
    else walls.add("cgroup");
    for (const [wall, reason] of reasons) this.#log(`no ${wall} wall: ${reason}`);
    return { ...found, walls, reasons };
  }

  async #trial(walls: ReadonlySet<Wall>, userNamespace: boolean): Promise<TrialFailure | null> {
    const isolation = describeIsolation({
      walls,
      userNamespace,
      noNewPrivileges: true,
      limits: null,
      unmet: [],
      reasons: new Map(),
    });
    try {
      await this.#runner.run(trialRequest(), {
        walls,
        userNamespace,
        processes: null,
        sources: new Map(),
        idMaps: [],
        isolation,
        cgroup: null,
      });
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      return error.planStep?.do === "execute" ? null : { step: error.planStep, message: error.message };
    }
    throw new Error(`Cannot try the walls out: ${TRIAL_PROGRAM} exists`);
  }
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
    limits: NO_LIMITS,
    require: [],
    stdin: "null",
    tty: null,
  };
}
