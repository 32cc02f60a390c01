/**
 * The agents of this kernel: who there is, who may do what with whom, and how each is started.
 *
 * @module
 */
import type { Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { SyscallError } from "@clove/sdk/protocol";
import { Authority, type Need, plainNeed } from "../../permissions/mod.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Random } from "../../worlds/random.ts";
import type { Audit } from "../audit/audit.ts";
import type { BrokerFacts } from "../broker/broker.ts";
import { placesOf } from "../broker/facts.ts";
import type { EventBus } from "../events.ts";
import { LIMITS } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Mail } from "../mail.ts";
import type { OutputFiles } from "../output/files.ts";
import type { Principal, Principals } from "../principals.ts";
import { preloadText, seededVariables } from "../recording/determinism.ts";
import {
  type Admission,
  admit,
  admitRights,
  type Applicant,
  privateWanted,
  type SpawnRequest,
} from "./admission.ts";
import { Agent, type AgentHost, type AgentNews, type AgentPlan } from "./agent.ts";
import { type AgentFiles, hostFiles } from "./agent_files.ts";
import { denoArgv } from "./deno_program.ts";
import { environmentOf } from "./environment.ts";
import {
  type Launcher,
  LaunchError,
  type LaunchRequest,
  type Layout,
  type Limits,
  type Wall,
} from "./launch.ts";
import { formatBytes } from "./bytes.ts";
import { DiskWatch } from "./disk.ts";
import { whoIs } from "./peers.ts";
import { INSIDE, mountsOf, type PrivatePlaces, privatePlaces, viewOf, type Wanted } from "./places.ts";
import { fileRules } from "./policy_places.ts";
import { importMapFor } from "./project.ts";
import SDK_BUNDLE from "./sdk_bundle.js" with { type: "text" };
import type { View } from "../../worlds/view.ts";
import { hostView } from "./view.ts";

/** What the service works with. */
export interface AgentsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly principals: Principals;
  readonly events: EventBus;
  readonly audit: Audit;
  readonly mail: Mail;
  readonly launcher: Launcher;
  /** Walls that every agent must have. */
  readonly require?: readonly Wall[];
  /** The kernel's run directory, absolute. */
  readonly runDir: string;
  /** The SDK as one module; the one that comes with the kernel when absent. */
  readonly sdkBundle?: string;
  /** What is done to the machine's files; absent: the machine's own. */
  readonly files?: AgentFiles;
  /** Serves descriptor 3 of an agent as a connection of its principal. */
  readonly onChannel: (socket: Socket, principal: Principal) => void;
  /**
   * Further variables of an agent: the way to its proxy, placeholders of secrets. Those of the request win.
   *
   * @param network What its network will be; `host` is the machine's own by wish.
   */
  readonly variables?: (
    principal: Principal,
    network: Layout["network"] | "host",
  ) => Promise<Readonly<Record<string, string>>>;
  /** Told of a new agent once it has its name, before anything runs. */
  readonly onNamed?: (principal: Principal) => void;
  /** Serves the permission broker of a Deno agent. Absent: Deno's flags tell it what it may do. */
  readonly openBroker?: (
    path: string,
    principal: Principal,
    facts: BrokerFacts,
  ) => Promise<() => Promise<void>>;
  /** Keeps what agents write beyond the kernel's life; absent keeps it in memory only. */
  readonly output?: OutputFiles | null;
  /** Told of each agent before it starts, with the trace in its environment, and of what happens to it. */
  readonly watcher?: {
    born(agent: Agent, traceparent: string): void;
    happened(agent: Agent, what: AgentNews, data: Readonly<Record<string, unknown>>): void;
  };
  /** Serves a private Unix socket, mode 0600. Resolves with its end. */
  readonly listenPrivate: (path: string, principal: Principal) => Promise<() => Promise<void>>;
}

/** What a confined caller's commands run in: the same as the caller itself. */
export interface Confinement {
  readonly view: View;
  readonly request: Pick<
    LaunchRequest,
    "mounts" | "rules" | "network" | "sandboxed" | "limits" | "shares" | "require" | "env" | "cwd"
  >;
}

const PLAIN: Layout = { mounts: false, uid: null, gid: null, network: "shared" };

/** Keeps the agents. */
export class Agents {
  /** What starts the processes. */
  readonly launcher: Launcher;
  readonly #options: AgentsOptions;
  readonly #files: AgentFiles;
  readonly #host: AgentHost;
  /** All that live or are remembered, by number, oldest first. */
  readonly #agents = new Map<number, Agent>();
  readonly #confined = new Map<
    Principal,
    { view: View; request: (limits: Limits) => Confinement["request"] }
  >();
  /** Spawns whose agents are not among {@link #agents} yet, by spawner: they count already. */
  readonly #spawning = new Map<Principal, number>();
  readonly #underWay = new Set<Promise<Agent>>();
  #sdk: Promise<string> | null = null;
  readonly #disk: DiskWatch;
  #closed = false;

  /** Starts nothing. */
  constructor(options: AgentsOptions) {
    const { clock, random, log, launcher, onChannel } = options;
    this.#options = options;
    this.#files = options.files ?? hostFiles;
    this.launcher = launcher;
    this.#disk = new DiskWatch(clock, log);
    this.#host = {
      clock,
      random,
      log,
      launcher,
      keepOutput: (agent) => options.output?.open(agent) ?? null,
      onChannel,
      tell: (agent, what, data) => this.#tell(agent, what, data),
      stopChildren: (agent) => this.#stopChildren(agent.principal),
      released: (agent) => this.#released(agent),
    };
  }

  /**
   * Spawns an agent.
   *
   * @param demand Throws unless the caller holds what is needed.
   * @throws {SyscallError} `denied` with a receipt; `conflict` when the name is taken; `not_found` for a missing
   *   script or program; `limit`; `unavailable` when it cannot be started, with the step that failed.
   */
  async spawn(request: SpawnRequest, caller: Principal, demand: (need: Need) => void): Promise<Agent> {
    const spawn = this.#spawn(request, caller, demand);
    this.#underWay.add(spawn);
    try {
      return await spawn;
    } catch (error) {
      throw failed(error);
    } finally {
      this.#underWay.delete(spawn);
    }
  }

  async #spawn(request: SpawnRequest, caller: Principal, demand: (need: Need) => void): Promise<Agent> {
    const { clock } = this.#options;
    this.#checkWanted(caller);
    const agent = this.#agentOf(caller);
    const who: Applicant = {
      caller,
      view: this.viewOf(caller),
      agent,
      demand,
      now: clock.now(),
      files: this.#files,
    };
    const children = this.#childrenOf(caller).length + (this.#spawning.get(caller) ?? 0);
    if (this.#liveCount() >= LIMITS.agents) {
      throw new SyscallError(
        "limit",
        `Cannot spawn: ${LIMITS.agents} agents are alive, the most there can be`,
      );
    }
    const release = this.#reserve(caller);
    try {
      const choice = admitRights(request, who, { count: children + 1 });
      const admission = await admit(request, who, choice);
      return await this.#create(request, caller, admission, release);
    } finally {
      release();
    }
  }

  /** Counts an agent that is not there yet. Returns the undo, for when it is there or will never be. */
  #reserve(caller: Principal): () => void {
    this.#spawning.set(caller, (this.#spawning.get(caller) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = this.#spawning.get(caller)! - 1;
      if (left > 0) this.#spawning.set(caller, left);
      else this.#spawning.delete(caller);
    };
  }

  /** Whoever asked may have ended meanwhile, and the kernel too: nobody would stop such an agent. */
  #checkWanted(caller: Principal): void {
    if (this.#closed) throw new SyscallError("unavailable", "Cannot spawn: the kernel is stopping");
    const agent = this.#agentOf(caller);
    if (!caller.gone && agent?.state !== "stopping" && !agent?.ended) return;
    throw new SyscallError("conflict", `Cannot spawn: ${caller.label} is ending`);
  }

  /** The steps a spawn would take, without taking them. Everything is checked as for a real one. */
  async explain(
    request: SpawnRequest,
    caller: Principal,
    demand: (need: Need) => void,
  ): Promise<readonly string[]> {
    const { clock, runDir } = this.#options;
    const agent = this.#agentOf(caller);
    const who: Applicant = {
      caller,
      view: this.viewOf(caller),
      agent,
      demand,
      now: clock.now(),
      files: this.#files,
    };
    try {
      const choice = admitRights(request, who, { count: this.#childrenOf(caller).length + 1 });
      const admission = await admit(request, who, choice);
      const principal = this.#options.principals.create("agent", {
        authority: new Authority(admission.policy, admission.parentAuthority ?? undefined),
        name: request.name ?? "agent",
      });
      try {
        const places = privatePlaces(runDir, principal.id);
        const { plan } = await this.#plan(request, admission, principal, places, null);
        return this.launcher.explain(await plan.request(admission.limits));
      } finally {
        principal.dispose();
      }
    } catch (error) {
      throw failed(error);
    }
  }

  /** By number, the ended ones too. */
  get(id: number): Agent | undefined {
    return this.#agents.get(id);
  }

  /** By name: the living one, else the last that had it. */
  named(name: string): Agent | undefined {
    let found: Agent | undefined;
    for (const agent of this.#agents.values()) {
      if (agent.name !== name) continue;
      if (!agent.ended) return agent;
      found = agent;
    }
    return found;
  }

  /** All agents, oldest first. */
  all(): IterableIterator<Agent> {
    return this.#agents.values();
  }

  /**
   * Who may stop, pause and limit an agent: operators, whoever spawned it, everybody above it. An agent may end and
   * pause itself, but not change its own limits.
   */
  mayManage(caller: Principal, agent: Agent): boolean {
    return caller.kind === "operator" || agent.spawner === caller ||
      (caller !== agent.principal && caller.isAbove(agent.principal));
  }

  /** What `admin` is needed for when {@link mayManage} says no. */
  adminNeed(agent: Agent): Need {
    return plainNeed("admin", `agent/${agent.name}`);
  }

  /** The agent that a principal is; null for operators and remotes. */
  agentOf(principal: Principal): Agent | null {
    return this.#agentOf(principal);
  }

  /** What of the machine's files a principal sees. */
  viewOf(principal: Principal): View {
    const confined = this.#confined.get(principal);
    if (confined) return confined.view;
    // Remote agents see nothing here; an agent that has just ended does not either.
    return principal.kind === "operator" ? hostView(Deno.cwd()) : { cwd: "/", mounts: [] };
  }

  /** What a principal's commands run in; null for an operator, whose commands run plainly. */
  confinementOf(principal: Principal): Confinement | null {
    if (principal.kind === "operator") return null;
    const confined = this.#confined.get(principal);
    const agent = this.#agentOf(principal);
    if (!confined || !agent) {
      throw new SyscallError(
        "unavailable",
        `Cannot run a command for ${principal.label}: it has no place on this machine`,
      );
    }
    // Its commands use up what it may use itself.
    const shares = agent.process?.cgroup ?? undefined;
    return { view: confined.view, request: { ...confined.request(agent.limits), shares } };
  }

  /** The agent a process of this machine belongs to; undefined when it belongs to none. */
  agentOfPid(pid: number): Principal | undefined {
    const standing = whoIs(pid, this.#agents, this.#options.runDir);
    return standing.kind === "agent" ? standing.agent.principal : undefined;
  }

  /** As {@link agentOfPid}, but tells a stranger from a process that is gone, which nobody can vouch for. */
  standingOf(pid: number): "agent" | "stranger" | "gone" {
    return whoIs(pid, this.#agents, this.#options.runDir).kind;
  }

  /** Stops what a remote agent or an operator's connection started: for when it goes for good. */
  stopChildrenOf(principal: Principal): Promise<void> {
    return this.#stopChildren(principal);
  }

  /** Stops every agent in order, and takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    const live = [...this.#agents.values()].filter((agent) => !agent.ended);
    await Promise.all(live.map((agent) => agent.stop({ by: 0 })));
    // A spawn under way sees that the kernel stops, and takes back what it has done.
    await Promise.allSettled(this.#underWay);
  }

  /** Ends every agent at once, without waiting. */
  abandon(): void {
    this.#closed = true;
    for (const agent of this.#agents.values()) if (!agent.ended) agent.abandon();
  }

  async #create(
    request: SpawnRequest,
    caller: Principal,
    admission: Admission,
    release: () => void,
  ): Promise<Agent> {
    this.#checkWanted(caller);
    const { principals, runDir } = this.#options;
    const principal = principals.create("agent", {
      authority: new Authority(admission.policy, admission.parentAuthority ?? undefined),
      parent: caller.kind === "operator" ? null : caller,
    });
    principal.onGone(() => principal.authority.close());
    const places = privatePlaces(runDir, principal.id);
    try {
      this.#name(principal, request.name);
      request.onPrincipal?.(principal);
      this.#options.onNamed?.(principal);
      const layout = await this.#layout(admission.sandboxed);
      await this.#files.make(places, layout);
      principal.onGone(() => {
        this.#files.remove(places).catch((cause) => {
          this.#options.log.warn("an agent's directory could not be removed", { path: places.root, cause });
        });
      });
      const closeSocket = await this.#options.listenPrivate(places.socket, principal);
      principal.onGone(() => {
        closeSocket().catch((cause) =>
          this.#options.log.warn("an agent's socket could not be closed", { cause })
        );
      });
      await this.#files.give(places.socket, layout);
      const copy = admission.copied && admission.script
        ? await this.#files.copyScript(admission.script, places)
        : null;
      if (request.determinism) {
        await this.#files.write(places.clock, preloadText(request.determinism));
      }
      const { plan, confinement, wanted, broker } = await this.#plan(
        request,
        admission,
        principal,
        places,
        copy,
      );
      if (broker) await this.#serveBroker(places.broker, principal, broker(), layout);
      await this.#files.makeMountPoints(places, wanted, layout);
      this.#confined.set(principal, { view: plan.view, request: confinement });
      principal.onGone(() => this.#confined.delete(principal));
      this.#checkWanted(caller);
      const agent = new Agent(this.#host, { principal, spawner: caller, plan });
      this.#options.watcher?.born(agent, request.env?.TRACEPARENT ?? "");
      return await this.#start(agent, release);
    } catch (error) {
      principal.dispose();
      throw error;
    }
  }

  async #serveBroker(path: string, principal: Principal, facts: BrokerFacts, layout: Layout): Promise<void> {
    const close = await this.#options.openBroker!(path, principal, facts);
    principal.onGone(() => {
      close().catch((cause) => this.#options.log.warn("an agent's broker could not be closed", { cause }));
    });
    await this.#files.give(path, layout);
  }

  async #start(agent: Agent, release: () => void): Promise<Agent> {
    this.#agents.set(agent.id, agent);
    release();
    try {
      await agent.start();
    } catch (error) {
      // It never ran: nobody should find it.
      this.#agents.delete(agent.id);
      throw error;
    }
    this.#countFiles(agent);
    this.#tell(agent, "AGENT_SPAWNED", { pid: agent.pid, parent_id: agent.spawner.id, restart_count: 0 });
    const missing = agent.isolation?.missing ?? [];
    if (missing.length > 0 && agent.plan.sandboxed) {
      this.#options.audit.write({
        category: "SECURITY",
        event_type: "ISOLATION_DEGRADED",
        agent_id: agent.id,
        agent_name: agent.name,
        details: { missing, reason: agent.isolation?.degraded_reason },
      });
    }
    return agent;
  }

  /** Gives the agent its name, which nobody else has; reserved for as long as it lives. */
  #name(principal: Principal, wanted: string | undefined): void {
    const { principals } = this.#options;
    if (wanted !== undefined) {
      if (!principals.claim(principal, wanted)) {
        throw new SyscallError(
          "conflict",
          `Cannot name an agent "${wanted}": the name is taken, choose another`,
        );
      }
      principal.name = wanted;
      return;
    }
    let name = `agent_${principal.id}`;
    while (!principals.claim(principal, name)) name += "_";
    principal.name = name;
  }

  /** Lays out everything that stays the same over all restarts. */
  async #plan(
    request: SpawnRequest,
    admission: Admission,
    principal: Principal,
    places: PrivatePlaces,
    copy: string | null,
  ): Promise<{
    plan: AgentPlan;
    confinement: (limits: Limits) => Confinement["request"];
    wanted: readonly Wanted[];
    /** What its broker has to know, once its places are made; null where flags do. */
    broker: (() => BrokerFacts) | null;
  }> {
    const { sandboxed, network, choice, project } = admission;
    const layout = await this.#layout(sandboxed);
    const { determinism } = request;
    const clock = determinism ? places.clock : null;
    const deno = choice.kind === "deno";
    const brokered = deno && request.permissions !== "flags" && this.#options.openBroker !== undefined;
    const wanted: Wanted[] = [
      ...privateWanted(places, admission, await this.#sdkFile(), clock),
      ...(brokered ? [{ outside: places.broker, inside: INSIDE.broker, mode: "rw" as const }] : []),
      ...admission.places,
    ];
    const seen = (inside: string): string => {
      return layout.mounts ? inside : wanted.find((place) => place.inside === inside)?.outside ?? inside;
    };
    const view = viewOf(wanted, sandboxed, layout);
    const ruled = new Set([INSIDE.work, INSIDE.tmp, ...admission.ruled]);
    const { learning } = request;
    // Deno asks for each access; native programs are held to their rules by Landlock.
    const holds = sandboxed && layout.mounts && !deno && learning === undefined;
    const mounts = mountsOf(wanted, layout, holds ? ruled : undefined);
    const rulesNow = () => {
      const rules = holds ? fileRules(principal.authority.effective(), view, admission.program) : undefined;
      return rules === undefined ? {} : { rules };
    };
    const onListener = learning === undefined || !sandboxed || !layout.mounts ? {} : {
      onListener: learning.watch(
        deno ? admission.ruled : [...ruled],
        project?.root ?? null,
        deno ? admission.program : null,
      ),
    };
    const facts = {
      id: principal.id,
      name: principal.name,
      home: seen(INSIDE.work),
      socket: seen(INSIDE.socket),
      tmp: sandboxed ? seen(INSIDE.tmp) : INSIDE.tmp,
    };
    const env = environmentOf({
      ...facts,
      denoDir: deno ? seen(INSIDE.denoDir) : null,
      ...(brokered ? { broker: seen(INSIDE.broker) } : {}),
    }, {
      ...await this.#options.variables?.(principal, network === "host" ? "host" : layout.network),
      ...admission.env,
      ...(determinism && !deno ? seededVariables(determinism) : {}),
    });
    const script = copy ? join(seen(INSIDE.scripts), basename(copy)) : admission.script?.outside ?? "";
    const importMap = deno
      ? await importMapFor(project ?? { root: dirname(script), config: null }, seen(INSIDE.sdk))
      : null;
    const trees = view.mounts!.filter(({ inside }) => !HIDDEN.has(inside));
    const renamed = new Map(
      layout.mounts ? [] : wanted.filter((place) => place.inside !== place.outside)
        .filter((place) => sandboxed || place.inside !== INSIDE.tmp)
        .map((place) => [place.inside, place.outside]),
    );
    const variables = Object.keys(env).filter((name) => !name.startsWith("DENO_") && name !== "PATH");
    // A run that is to be repeated has one connection, in the order in which it always was there.
    const ownSocket = determinism ? null : facts.socket;
    const argv = (): string[] => {
      if (!deno) {
        const before = admission.script === null ? [] : [script];
        return [admission.program, ...before, ...(choice.args ?? [facts.socket])];
      }
      return denoArgv({
        deno: admission.program,
        script,
        args: choice.args ?? [],
        policy: principal.authority.effective(),
        cwd: INSIDE.work,
        readable: trees.map(({ inside }) => inside),
        writable: trees.filter(({ mode }) => mode === "rw").map(({ inside }) => inside),
        renamed,
        variables,
        socket: ownSocket,
        brokered,
        config: project?.config ?? null,
        importMap,
        ...(determinism ? { repeatable: { seed: determinism.seed, preload: seen(INSIDE.clock) } } : {}),
      });
    };
    const require = [...new Set([...admission.require, ...(this.#options.require ?? [])])];
    const common = (limits: Limits) => ({
      mounts,
      ...rulesNow(),
      network,
      sandboxed,
      limits,
      require,
      env,
      cwd: facts.home,
    });
    const plan: AgentPlan = {
      rules: admission.rules,
      graceMs: admission.graceMs,
      view,
      limits: admission.limits,
      network,
      sandboxed,
      request: (limits) => ({
        ...common(limits),
        ...onListener,
        id: principal.id,
        name: principal.name,
        argv: argv(),
        stdin: request.stdin ? "pipe" : "null",
        tty: request.tty ?? null,
      }),
    };
    const broker = (): BrokerFacts => ({
      places: placesOf({
        cwd: facts.home,
        tmp: facts.tmp,
        denoDir: seen(INSIDE.denoDir),
        given: wanted.filter(({ inside }) => !HIDDEN.has(inside) && (sandboxed || inside !== INSIDE.tmp)),
        mounted: layout.mounts,
        host: !sandboxed,
      }),
      variables,
      socket: ownSocket,
      proxied: network !== "host" && layout.network === "listening",
    });
    return { plan, confinement: common, wanted, broker: brokered ? broker : null };
  }

  async #layout(sandboxed: boolean): Promise<Layout> {
    return await this.launcher.layout?.(sandboxed) ?? PLAIN;
  }

  /** The SDK's module, written once. */
  #sdkFile(): Promise<string> {
    const { runDir, sdkBundle } = this.#options;
    this.#sdk ??= (async () => {
      const path = join(runDir, "clove_sdk.js");
      await this.#files.write(path, sdkBundle ?? SDK_BUNDLE);
      return path;
    })();
    return this.#sdk;
  }

  #agentOf(principal: Principal): Agent | null {
    const agent = this.#agents.get(principal.id);
    return agent?.principal === principal ? agent : null;
  }

  #childrenOf(principal: Principal): Agent[] {
    return [...this.#agents.values()].filter((agent) => agent.spawner === principal && !agent.ended);
  }

  /** Those under way included. */
  #liveCount(): number {
    let count = 0;
    for (const spawning of this.#spawning.values()) count += spawning;
    for (const agent of this.#agents.values()) if (!agent.ended) count++;
    return count;
  }

  #countFiles(agent: Agent): void {
    const files = this.#files;
    if (!files.used || agent.ended) return;
    const places = privatePlaces(this.#options.runDir, agent.id);
    this.#disk.add({
      id: agent.id,
      get limit() {
        return agent.limits.disk ?? null;
      },
      used: (most) => files.used!(places, most),
      warn: (warning) => agent.warn(warning),
      exceeded: (warning) => {
        agent.warn(warning);
        // Asking it nicely would let it go on writing.
        agent.stop({ by: 0, graceMs: 0, cause: `stopped by the disk limit, ${formatBytes(warning.limit!)}` })
          .catch((cause) => this.#options.log.error("an agent could not be stopped", { cause }));
      },
    });
  }

  async #stopChildren(principal: Principal): Promise<void> {
    await Promise.all(this.#childrenOf(principal).map((child) => child.stop({ by: principal.id })));
  }

  /** Forgets the oldest of those that ended, and frees what the agent held. */
  #released(agent: Agent): void {
    this.#disk.remove(agent.id);
    agent.principal.dispose();
    const ended = [...this.#agents.values()].filter((other) => other.ended);
    for (const old of ended.slice(0, Math.max(0, ended.length - LIMITS.endedAgents))) {
      this.#agents.delete(old.id);
    }
  }

  #tell(agent: Agent, what: AgentNews, data: Record<string, unknown>): void {
    const { events, audit, mail, log, watcher } = this.#options;
    const details = { agent_id: agent.id, name: agent.name, agent_name: agent.name, ...data };
    events.emit(what, details);
    watcher?.happened(agent, what, data);
    audit.write({
      category: what === "RESOURCE_WARNING" ? "RESOURCE" : "AGENT_LIFECYCLE",
      event_type: what === "AGENT_EXITED" && agent.killedBy !== null ? "AGENT_KILLED" : what,
      agent_id: agent.id,
      agent_name: agent.name,
      success: what !== "AGENT_ESCALATED",
      details: { ...details, ...onlyAudited(agent, what) },
    });
    if (what !== "AGENT_ESCALATED" || agent.spawner.gone || agent.spawner.kind === "operator") return;
    try {
      mail.send(agent.principal, agent.spawner, { type: what, ...details });
    } catch (cause) {
      log.warn("an escalation could not be mailed", { agent: agent.principal.label, cause });
    }
  }
}

/** What the log keeps of a start and an end beyond what everybody is told. */
function onlyAudited(agent: Agent, what: AgentNews): Record<string, unknown> {
  if (what === "AGENT_SPAWNED") {
    const { isolation, limits, principal } = agent;
    return { level: principal.authority.base.level, missing: isolation?.missing, limits };
  }
  const usage = what === "AGENT_EXITED" ? agent.exit?.usage : null;
  return usage ? { max_rss: usage.max_rss, cpu_ms: usage.user_ms + usage.system_ms } : {};
}

/** Places a Deno agent needs no permission for: Deno itself uses them, or descriptor 3 stands in for them. */
const HIDDEN: ReadonlySet<string> = new Set([
  INSIDE.socket,
  INSIDE.broker,
  INSIDE.denoDir,
  INSIDE.clock,
]);

/** The original's text for every spawn that fails, unless it has another one for the case. */
function failed(error: unknown): unknown {
  if (error instanceof LaunchError) {
    const { step, errno, refused } = error;
    return new SyscallError("unavailable", `failed to spawn agent: ${error.message}`, {
      details: { step, errno, refused },
      cause: error,
    });
  }
  if (!(error instanceof SyscallError) || error.code === "bad_request") return error;
  return new SyscallError(error.code, `failed to spawn agent: ${error.message}`, {
    receipt: error.receipt ?? undefined,
    details: error.details,
    cause: error.cause,
  });
}
