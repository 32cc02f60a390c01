/**
 * May this agent be spawned, and as what? Everything a SPAWN asks for is checked against its caller here, and turned
 * into a plan that stays the same over all restarts.
 *
 * The rule behind all of it: a child never has more rights than its parent, and never fewer walls.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import { SyscallError } from "@clove/sdk/protocol";
import {
  type Authority,
  execNeed,
  fileNeed,
  type Level,
  meet,
  type Need,
  plainNeed,
  type Policy,
  spawnNeed,
} from "../../permissions/mod.ts";
import type { Principal } from "../principals.ts";
import type { Determinism } from "../recording/determinism.ts";
import type { Agent } from "./agent.ts";
import { ruledPlaces } from "./policy_places.ts";
import type { AgentFiles } from "./agent_files.ts";
import { checkEnvironment } from "./environment.ts";
import type { Limits, Wall } from "./launch.ts";
import { INSIDE, type PrivatePlaces, type Wanted } from "./places.ts";
import { type GivenPlace, readsFiles, requestedPolicy, withPlaces } from "./policy_of.ts";
import { chooseProgram, type ProgramChoice } from "./program.ts";
import { findProject, type Project } from "./project.ts";
import { DEFAULT_LIMITS, exceeds, lesser, type LimitsInput, resolveLimits } from "./resources.ts";
import type { RestartPolicy, RestartRules } from "./restart.ts";
import { isWithin, type View } from "../../worlds/view.ts";
import { findPlace, type Place } from "./view.ts";

/** What SPAWN takes; the meaning of each field is in `kernel/syscalls/agent/spawn.ts`. */
export interface SpawnRequest {
  readonly name?: string;
  readonly script?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly python?: string;
  readonly level?: Level;
  readonly policy?: string | readonly string[] | Record<string, unknown>;
  readonly permissions?: "flags" | "broker";
  readonly sandboxed?: boolean;
  readonly network?: boolean;
  readonly require?: readonly Wall[];
  readonly limits?: LimitsInput;
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  readonly ro?: readonly string[];
  readonly rw?: readonly string[];
  readonly stdin?: boolean;
  readonly tty?: { readonly rows: number; readonly columns: number };
  readonly restart_policy?: RestartPolicy;
  readonly max_restarts?: number;
  /** Seconds. */
  readonly restart_window?: number;
  readonly restart_backoff_ms?: number;
  readonly restart_backoff_max_ms?: number;
  readonly grace_ms?: number;
  /** Set by the kernel itself, for a run that is learned from. */
  readonly learning?: LearningRun;
  /** Set by the kernel itself, for a run that is recorded or replayed. */
  readonly determinism?: Determinism;
  /** Told of the new identity before anything runs in its name. Set by the kernel itself. */
  readonly onPrincipal?: (principal: Principal) => void;
}

/** What a run that is learned from gets beside its own request. */
export interface LearningRun {
  /** Directories of the host that it may read as well, as an ordinary user may. */
  readonly shown: readonly string[];
  /**
   * Makes the receiver of {@link LaunchRequest.onListener}.
   *
   * @param places What can be learned about, as the agent sees it: paths outside of these it is given in any case.
   * @param readable A place that it may read in any case; null for none.
   * @param ignored A program whose own use of files is known by other means; null for none.
   */
  watch(
    places: readonly string[],
    readable: string | null,
    ignored: string | null,
  ): (listener: number) => void;
}

/** Who asks, and how it is asked whether he may. */
export interface Applicant {
  readonly caller: Principal;
  /** What the caller sees. */
  readonly view: View;
  /** The caller as an agent; null for operators and remotes. */
  readonly agent: Agent | null;
  /** Throws unless the caller holds it. */
  readonly demand: (need: Need) => void;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Where programs are looked for. */
  readonly files: Pick<AgentFiles, "findProgram">;
}

/** What was admitted. */
export interface Admission {
  readonly choice: ProgramChoice;
  /** The program that is executed, on the host: Deno, the interpreter, `argv[0]`. */
  readonly program: string;
  readonly script: Place | null;
  /** The spawner could change the script after the check: it is copied. */
  readonly copied: boolean;
  readonly project: Project | null;
  readonly policy: Policy;
  /** The spawner's live authority when that is an agent or remote; null for an operator, who comes and goes. */
  readonly parentAuthority: Authority | null;
  /** Places beside the private ones. */
  readonly places: readonly Wanted[];
  /** Those of them that are there by the policy's rules, or that a run is to show the need of. */
  readonly ruled: readonly string[];
  /** Host directory of `workdir`; null for a private one. */
  readonly workdir: string | null;
  readonly sandboxed: boolean;
  readonly network: "none" | "host";
  readonly require: readonly Wall[];
  readonly limits: Limits;
  readonly env: Readonly<Record<string, string>>;
  readonly rules: RestartRules;
  readonly graceMs: number;
}

/** How many children an agent has, itself counted in, and how deep. */
export interface Standing {
  /** Living children of the caller, this one included. */
  readonly count: number;
}

/** Directories of a system that every sandbox shows anyway. */
const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const SYSTEM_PLACES = SYSTEM.map((inside) => ({ inside, mode: "rw" as const }));
/** A native program is held by these alone: Deno is not there to hold it. */
const NATIVE_WALLS: readonly Wall[] = ["pid", "mount", "seccomp"];

/**
 * Checks the part that needs no look at the machine.
 *
 * @throws {SyscallError} `denied` with a receipt, or `bad_request`.
 */
export function admitRights(request: SpawnRequest, who: Applicant, standing: Standing): ProgramChoice {
  const choice = chooseProgram(request);
  who.demand(spawnNeed({ interpreter: choice.interpreter, count: standing.count }));
  checkEnvironment(request.env ?? {}, choice.kind);
  if (request.permissions === "broker" && choice.kind !== "deno") {
    throw new SyscallError(
      "bad_request",
      'Cannot use permissions "broker": only a Deno script asks a broker',
    );
  }
  const { agent } = who;
  // A wall that the spawner itself does not have, its child may lack too.
  if (request.sandboxed === false && (!agent || agent.plan.sandboxed)) {
    who.demand(plainNeed("admin", "spawn/unsandboxed"));
  }
  if (request.network === true && agent?.plan.network !== "host") {
    who.demand(plainNeed("admin", "spawn/network"));
  }
  return choice;
}

/** Checks the rest: programs, paths, limits. */
export async function admit(
  request: SpawnRequest,
  who: Applicant,
  choice: ProgramChoice,
): Promise<Admission> {
  const { agent, caller } = who;
  const sandboxed = request.sandboxed ?? agent?.plan.sandboxed ?? true;
  const network = request.network ?? (!sandboxed && agent?.plan.network === "host") ? "host" : "none";
  const limits = admitLimits(request.limits, agent);
  const policy = requestedPolicy(request);
  const program = choice.kind === "deno" ? Deno.execPath() : await who.files.findProgram(choice.interpreter);
  const script = choice.script === null ? null : await admitScript(choice.script, who);
  const copied = script !== null && isChangeable(script, who);
  const project = script === null || copied ? null : await findProject(script.outside, script.root);
  const given = await admitPlaces(request, who);
  const workdir = request.workdir === undefined ? null : await admitDirectory(request.workdir, who, "rw");
  const places: Wanted[] = [
    ...(isWithinAny(program, SYSTEM) ? [] : [{ outside: program, inside: program, mode: "ro" as const }]),
    ...(project ? [{ outside: project.root, inside: project.root, mode: "ro" as const }] : []),
    ...given.map(({ outside, mode }) => ({ outside, inside: outside, mode })),
  ];
  const operator = caller.kind === "operator";
  // An agent gives its children places by name, which is checked against what it holds.
  const ruled = operator
    ? await ruledPlaces(meet(caller.authority.effective(), policy), who.view, [...SYSTEM_PLACES, ...places])
    : [];
  for (const { path, outside, mode } of ruled) places.push({ outside, inside: path, mode });
  const shown = (request.learning?.shown ?? []).filter((path) =>
    !places.some(({ inside }) => inside === path)
  );
  for (const path of shown) places.push({ outside: path, inside: path, mode: "ro" });
  const rights: GivenPlace[] = [
    ...(project && readsFiles(policy)
      ? [{ path: project.root, mode: "ro" as const, directory: project.root !== script?.outside }]
      : []),
    ...given.map(({ outside, mode, directory }) => ({ path: outside, mode, directory })),
  ];
  const own = withPlaces(policy, rights);
  return {
    choice,
    program,
    script,
    copied,
    project,
    policy: operator ? meet(caller.authority.effective(), own) : own,
    parentAuthority: operator ? null : caller.authority,
    places,
    ruled: [
      ...ruled.map(({ path }) => path),
      ...(request.learning ? [...shown, ...given.map(({ outside }) => outside)] : []),
    ],
    workdir: workdir?.outside ?? null,
    sandboxed,
    network,
    require: requiredWalls(request, who, choice),
    limits,
    env: request.env ?? {},
    rules: {
      policy: request.restart_policy ?? "never",
      maxRestarts: request.max_restarts ?? 5,
      windowMs: (request.restart_window ?? 300) * 1000,
      backoffMs: request.restart_backoff_ms ?? 1_000,
      backoffMaxMs: Math.max(request.restart_backoff_max_ms ?? 60_000, request.restart_backoff_ms ?? 0),
    },
    graceMs: request.grace_ms ?? 5_000,
  };
}

function admitLimits(input: LimitsInput | undefined, agent: Agent | null): Limits {
  if (!agent) return resolveLimits(input ?? {});
  const limits = resolveLimits(input ?? {}, lesser(DEFAULT_LIMITS, agent.limits));
  const beyond = exceeds(limits, agent.limits);
  if (beyond) throw new SyscallError("limit", `Cannot give a child more than its parent has: ${beyond}`);
  return limits;
}

/** A script is read by an interpreter that may have no permissions at all, so its spawner must be able to read it. */
async function admitScript(path: string, who: Applicant): Promise<Place> {
  const place = await findPlace(who.view, path);
  who.demand(fileNeed("fs.read", place.inside));
  if (!(await stat(place.outside)).isFile()) {
    throw new SyscallError("bad_request", `Cannot run "${place.inside}": it is no regular file`);
  }
  return place;
}

interface AdmittedPlace extends Place {
  readonly directory: boolean;
}

async function admitPlaces(request: SpawnRequest, who: Applicant): Promise<AdmittedPlace[]> {
  const places: AdmittedPlace[] = [];
  for (const path of request.ro ?? []) places.push({ ...await admitPlace(path, who, "ro"), mode: "ro" });
  for (const path of request.rw ?? []) places.push({ ...await admitPlace(path, who, "rw"), mode: "rw" });
  return places;
}

async function admitDirectory(path: string, who: Applicant, mode: "ro" | "rw"): Promise<Place> {
  const place = await admitPlace(path, who, mode);
  if (!place.directory) throw new SyscallError("bad_request", `Cannot work in "${path}": it is no directory`);
  return place;
}

/** A place is given with all below it, so the giver must hold all below it. */
async function admitPlace(path: string, who: Applicant, mode: "ro" | "rw"): Promise<AdmittedPlace> {
  const place = await findPlace(who.view, path);
  const directory = (await stat(place.outside)).isDirectory();
  for (const capability of mode === "rw" ? ["fs.read", "fs.write"] as const : ["fs.read"] as const) {
    who.demand(fileNeed(capability, place.inside));
    // Two names that nobody wrote into a rule stand for everything below.
    if (directory) who.demand(fileNeed(capability, `${place.inside}/${UNLIKELY}/${UNLIKELY}`));
  }
  if (mode === "rw" && place.mode === "ro") {
    throw new SyscallError(
      "denied",
      `Cannot give "${place.inside}" for writing: the giver itself sees it read-only`,
    );
  }
  if (isChangeable(place, who)) {
    throw new SyscallError(
      "denied",
      `Cannot give "${place.inside}": its giver can change what the name leads to, send the contents instead`,
    );
  }
  return { ...place, directory };
}

const UNLIKELY = "0e5b2f0c-any-name";

/** True when the caller can still exchange the place for a link after it was checked. */
function isChangeable(place: Place, { agent }: Applicant): boolean {
  return agent !== null && agent.plan.sandboxed && place.mode === "rw";
}

/**
 * The walls without which the child must not start: those asked for, those its parent has, and, for a native program
 * of an agent that may not run commands, those that hold native code.
 */
function requiredWalls(
  request: SpawnRequest,
  { agent, caller, now }: Applicant,
  choice: ProgramChoice,
): readonly Wall[] {
  const walls = new Set(request.require ?? []);
  if (caller.kind === "operator") return [...walls];
  if (agent?.isolation) {
    for (const wall of PRESENT) if (wall.stands(agent)) walls.add(wall.name);
  }
  if (choice.kind !== "deno" && agent?.plan.sandboxed !== false) {
    const argv = [choice.interpreter, ...(choice.args ?? [])];
    const may = caller.authority.explain(execNeed(argv), now);
    if (!may.allowed) { for (const wall of NATIVE_WALLS) walls.add(wall); }
  }
  return [...walls];
}

/** Which walls of a running agent its child must have too. */
const PRESENT: readonly { readonly name: Wall; readonly stands: (agent: Agent) => boolean }[] = [
  { name: "pid", stands: ({ isolation }) => isolation!.namespaces.pid },
  { name: "mount", stands: ({ isolation }) => isolation!.namespaces.mnt },
  { name: "net", stands: ({ isolation }) => isolation!.namespaces.net },
  { name: "uts", stands: ({ isolation }) => isolation!.namespaces.uts },
  { name: "ipc", stands: ({ isolation }) => isolation!.namespaces.ipc },
  { name: "user", stands: ({ isolation }) => isolation!.namespaces.user },
  { name: "seccomp", stands: ({ isolation }) => isolation!.seccomp },
  { name: "landlock", stands: ({ isolation }) => isolation!.landlock },
  { name: "caps", stands: ({ isolation }) => isolation!.capabilities_dropped },
  { name: "cgroup", stands: ({ isolation }) => isolation!.cgroups.available },
];

function isWithinAny(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => isWithin(path, directory));
}

/** The private places of an agent as it wants to see them. */
export function privateWanted(
  places: PrivatePlaces,
  admission: Admission,
  sdk: string,
  clock: string | null,
): Wanted[] {
  const deno = admission.choice.kind === "deno";
  return [
    { outside: admission.workdir ?? places.work, inside: INSIDE.work, mode: "rw" },
    { outside: places.tmp, inside: INSIDE.tmp, mode: "rw" },
    { outside: places.socket, inside: INSIDE.socket, mode: "rw" },
    ...(deno ? [{ outside: places.denoDir, inside: INSIDE.denoDir, mode: "rw" as const }] : []),
    ...(deno ? [{ outside: sdk, inside: INSIDE.sdk, mode: "ro" as const }] : []),
    ...(deno && clock !== null ? [{ outside: clock, inside: INSIDE.clock, mode: "ro" as const }] : []),
    ...(admission.copied ? [{ outside: places.scripts, inside: INSIDE.scripts, mode: "ro" as const }] : []),
  ];
}
