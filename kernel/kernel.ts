/**
 * The whole kernel, put together: machine, services, dispatcher, sockets. Nothing here decides anything.
 *
 * @module
 */
import type { Socket } from "node:net";
import { Authority, type Level, Policy } from "../permissions/mod.ts";
import { type Clock, systemClock } from "../worlds/clock.ts";
import { HostFiles } from "../worlds/files.ts";
import { type Random, systemRandom } from "../worlds/random.ts";
import { Agents } from "./agents/agents.ts";
import type { AgentFiles } from "./agents/agent_files.ts";
import type { Launcher, Wall } from "./agents/launch.ts";
import { Approvals } from "./approvals/approvals.ts";
import { Grants } from "./approvals/grants.ts";
import { KeptRights } from "./approvals/kept.ts";
import { AsyncResults } from "./async_results.ts";
import { Audit } from "./audit/audit.ts";
import { auditCalls } from "./audit/calls.ts";
import type { AuditVault } from "./audit/vault.ts";
import { Brokers } from "./broker/broker.ts";
import type { Connection } from "./connection.ts";
import { Dispatcher } from "./dispatch.ts";
import { Egress, type Lookup } from "./egress/mod.ts";
import { EventBus } from "./events.ts";
import { ExecRunner } from "./exec/exec.ts";
import { HOME } from "./home.ts";
import { type Identify, identifyOwner, identifyPeer, type ReadPeer, readPeers } from "./identity.ts";
import { chooseLauncher } from "./launchers.ts";
import { Learner } from "./learning/learner.ts";
import { LIMITS } from "./limits.ts";
import { Log } from "./log.ts";
import { Mail } from "./mail.ts";
import { type MemoryTransport, serveMemory } from "./memory_wire.ts";
import { CallMetrics } from "./metrics/calls.ts";
import { Metrics } from "./metrics/metrics.ts";
import { type MetricsServer, startMetricsServer } from "./metrics/prometheus.ts";
import type { KernelOptions } from "./options.ts";
import { OutputFiles } from "./output/files.ts";
import { type Principal, Principals } from "./principals.ts";
import { ExecutionLog } from "./recording/execution_log.ts";
import { Recorder } from "./recording/recorder.ts";
import { Replays } from "./recording/replays.ts";
import { EntriesReplay, noLauncher } from "./recording/replica.ts";
import { bothTaps } from "./recording/taps.ts";
import { makeRunDir, type RunDir } from "./run_dir.ts";
import { Secrets } from "./secrets/secrets.ts";
import type { Services } from "./services.ts";
import { listenUnix, type SocketServer } from "./socket_server.ts";
import { serveSocket } from "./socket_wire.ts";
import { StateStore } from "./state/state.ts";
import { openStorage, type Storage } from "./storage/storage.ts";
import { FAMILIES } from "./table.ts";
import { Journal } from "./telemetry/journal.ts";
import { telemetryWanted } from "./telemetry/spans.ts";
import { Telemetry } from "./telemetry/telemetry.ts";
import { VERSION } from "./version.ts";

/** The machine, where a test brings its own. */
export interface Machine {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly launcher?: Launcher;
  readonly storage?: Storage;
  /** What the audit log keeps outside of `storage`. */
  readonly vault?: AuditVault;
  /** What is done to the machine's files for agents. */
  readonly agentFiles?: AgentFiles;
  /** Made by whoever brings it; the kernel removes it when it closes. */
  readonly runDir?: RunDir;
  /** Opens sockets at paths. Who connects there is taken for whom the path belongs to. */
  readonly listen?: typeof listenUnix;
  /** Resolves names for what leaves by the HTTP syscall and the proxies. */
  readonly lookup?: Lookup;
  /** Certificates (PEM) that the HTTP syscall trusts beside the usual ones. */
  readonly certificates?: readonly string[];
}

/** How to start a kernel inside a program. Without a socket it can be reached through {@link Kernel.connect} only. */
export interface StartOptions extends Partial<Omit<KernelOptions, "socket">> {
  /** The operator's socket; absent or null is none. */
  readonly socket?: string | null;
  /** Where log lines go; stderr when absent. */
  readonly onLog?: (line: string) => void;
  readonly machine?: Machine;
}

/** A running kernel. */
export interface Kernel extends AsyncDisposable {
  /** The operator's socket, or null. */
  readonly socket: string | null;
  /** For tests and embedders. */
  readonly services: Services;
  readonly dispatcher: Dispatcher;
  /** Opens an operator's connection inside the process. */
  connect(options?: { level?: Level }): MemoryTransport;
  /** Stops agents in order, finishes acknowledged writes, closes every connection, removes the socket. */
  close(): Promise<void>;
  /** Ends every agent at once, without waiting for anything, and signs the audit log: the process is about to end. */
  abandon(): void;
}

/**
 * Starts a kernel.
 *
 * @example A kernel in memory, for a test
 * ```ts ignore
 * await using kernel = await startKernel();
 * await using clove = await connect({ transport: kernel.connect() });
 * ```
 *
 * @throws {Error} When the socket or the data directory belongs to another kernel, or a required wall cannot be had.
 */
export async function startKernel(options: StartOptions = {}): Promise<Kernel> {
  const running = new RunningKernel(options);
  try {
    await running.open();
  } catch (error) {
    await running.close();
    throw error;
  }
  return running;
}

class RunningKernel implements Kernel {
  socket: string | null = null;
  services!: Services;
  dispatcher!: Dispatcher;
  readonly #options: StartOptions;
  readonly #clock: Clock;
  readonly #listen: typeof listenUnix;
  readonly #log: Log;
  readonly #connections = new Set<Connection>();
  readonly #servers: SocketServer[] = [];
  #runDir: RunDir | null = null;
  #storage: Storage | null = null;
  #launcher: Launcher | null = null;
  #metrics: MetricsServer | null = null;
  #readPeer: ReadPeer | null = null;
  #identify: Identify | null = null;
  /** Requests so far. */
  #served = 0;
  #closing: Promise<void> | null = null;

  constructor(options: StartOptions) {
    this.#options = options;
    this.#clock = options.machine?.clock ?? systemClock;
    this.#listen = options.machine?.listen ?? listenUnix;
    this.#log = new Log({
      level: options.logLevel ?? "warn",
      format: options.logFormat ?? "text",
      write: options.onLog,
      now: () => this.#clock.now(),
    });
  }

  async open(): Promise<void> {
    const options = this.#options;
    const log = this.#log;
    const clock = this.#clock;
    const random = options.machine?.random ?? systemRandom;
    const runDir = this.#runDir = options.machine?.runDir ?? makeRunDir(log);
    const storage = this.#storage = options.machine?.storage ??
      openStorage({ dir: options.data ?? null, clock, log });
    const require: readonly Wall[] = options.require ?? [];
    const base = options.machine?.launcher ??
      await chooseLauncher({ sandbox: options.sandbox ?? true, runDir: runDir.path, log });

    const principals = new Principals();
    const events = new EventBus(clock);
    const audit = new Audit({ clock, storage, log, random, vault: options.machine?.vault });
    const secrets = new Secrets({
      clock,
      random,
      storage,
      log,
      onUse: (principal, entry) => egress.of(principal).noteSecret(entry),
    });
    const egress = new Egress({
      clock,
      random,
      log,
      audit,
      events,
      principals,
      substituteFor: (principal) => secrets.substituteFor(principal),
      lookup: options.machine?.lookup,
      ca: options.machine?.certificates,
    });
    const launcher = this.#launcher = egress.through(base);
    const kept = new KeptRights(storage);
    const grants = new Grants({ clock, log, audit, principals, kept });
    const approvals = new Approvals({ clock, audit, events, grants });
    const readPeer = this.#readPeer = options.machine?.listen ? null : await readPeers();
    const brokers: Brokers = new Brokers({
      clock,
      log,
      audit,
      events,
      pidOf: (socket) => readPeer?.(socket)?.pid ?? null,
      ownerOf: (pid) => agents.agentOfPid(pid),
      served: () => this.#served,
      recalled: (principal, question) => replays.rulingOf(principal, question),
      onRuling: (principal, question, ruling) => {
        if (recorder.active) recorder.decided(principal, "broker", { ...question, ...ruling });
      },
    });
    const mail = new Mail(clock, events);
    const startedAt = clock.now();
    const output = options.data
      ? new OutputFiles({ dir: `${options.data}/output`, clock, log, kernel: Math.floor(startedAt) })
      : null;
    const telemetry = telemetryWanted() ? new Telemetry(VERSION) : null;
    const agents = new Agents({
      clock,
      random,
      log,
      principals,
      events,
      audit,
      mail,
      launcher,
      require,
      output,
      ...(telemetry === null ? {} : { watcher: telemetry }),
      runDir: runDir.path,
      files: options.machine?.agentFiles,
      onChannel: (socket, principal) => this.#serve(socket, principal),
      listenPrivate: (path, principal) => this.#listenPrivate(path, principal),
      onNamed: (principal) => grants.restore(principal),
      // Deno asks over a named pipe there, which nothing here serves.
      ...(Deno.build.os === "windows" ? {} : { openBroker: brokers.open.bind(brokers) }),
      variables: async (principal, network) => ({
        ...secrets.variablesOf(principal),
        ...await egress.variables(principal, network),
      }),
    });
    const redact = (text: string): string => secrets.redact(text);
    const tap = (): void => {
      const both = recorder.active && executions.recording;
      this.dispatcher.tap = both
        ? bothTaps(recorder, executions)
        : recorder.active
        ? recorder
        : executions.recording
        ? executions
        : null;
    };
    const learner = new Learner({
      log,
      viewOf: (principal) => agents.viewOf(principal),
      protect: [runDir.path, ...[options.data, options.socket].filter((path) => path != null)],
    });
    const recorder = new Recorder({
      clock,
      random,
      log,
      version: VERSION,
      redact,
      onChange: tap,
    });
    const executions = new ExecutionLog({ clock, redact, onChange: tap });
    const replica = () =>
      startKernel({ machine: { clock, random, launcher: noLauncher() }, onLog: () => {} });
    const entriesReplay = new EntriesReplay(replica, log);
    const replays = new Replays({
      clock,
      log,
      agents,
      live: { tap: null, run: (request) => this.dispatcher.run(request) },
      redact,
    });
    this.services = {
      clock,
      random,
      log,
      principals,
      storage,
      events,
      audit,
      mail,
      agents,
      grants,
      kept,
      approvals,
      egress,
      secrets,
      learner,
      recorder,
      replays,
      executions,
      entriesReplay,
      info: {
        version: VERSION,
        families: FAMILIES,
        startedAt,
        socket: options.socket ?? null,
        dataDir: options.data ?? null,
        runDir: runDir.path,
      },
      files: new HostFiles({ reserved: options.data ? [options.data] : [], random }),
      state: new StateStore({ clock, storage, events, log }),
      exec: new ExecRunner({ clock, log, agents, launcher, runDir: runDir.path }),
      metrics: new Metrics({ clock }),
      output,
      journal: new Journal(() => clock.now()),
      telemetry,
      asyncResults: new AsyncResults(),
    };
    this.dispatcher = new Dispatcher(this.services);
    this.dispatcher.observe(auditCalls(audit));
    this.dispatcher.observe({ finished: () => void this.#served++ });
    this.dispatcher.observe(this.services.journal);
    this.dispatcher.telemetry = telemetry;
    if (options.metrics) this.#serveMetrics(options.metrics);
    this.#identify = identifyPeer({ readPeer, agents, log });
    if (options.socket) {
      this.#servers.push(await this.#listen(options.socket, (socket) => this.#accept(socket)));
      this.socket = options.socket;
    }
    log.info("the kernel is ready", {
      socket: this.socket,
      data: options.data ?? "memory",
      launcher: launcher.description,
    });
  }

  connect(options: { level?: Level } = {}): MemoryTransport {
    const principal = this.#operator(options.level);
    const { connection, transport } = serveMemory(principal, {
      dispatcher: this.dispatcher,
      log: this.#log,
      onClosed: () => {
        this.#connections.delete(connection);
        principal.dispose();
      },
    });
    this.#connections.add(connection);
    return transport;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  abandon(): void {
    if (!this.services) return;
    const { agents, audit } = this.services;
    const living = [...agents.all()].filter((agent) => !agent.ended).map(({ name }) => name);
    agents.abandon();
    audit.write({
      category: "SECURITY",
      event_type: "KERNEL_ABANDONED",
      agent_id: 0,
      details: { living: living.length, names: living.slice(0, 32) },
    });
    audit.closeNow();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // Nobody new; then the agents, which may still speak while they end; then what was acknowledged; then the rest.
    await Promise.all(this.#servers.map((server) => server.close()));
    await this.services?.agents.close();
    this.services?.approvals.close();
    await this.services?.output?.close();
    await this.services?.recorder.close();
    await this.#metrics?.close();
    this.services?.egress.close();
    await this.services?.audit.close();
    await this.services?.state.close();
    await this.#storage?.close();
    await this.#endConnections();
    await this.#launcher?.close();
    this.#runDir?.remove();
    if (this.services) this.#log.info("the kernel has stopped");
  }

  /** Lets clients read their last answers; who does not within a second is cut off. */
  async #endConnections(): Promise<void> {
    for (const connection of this.#connections) connection.end();
    for (let waited = 0; this.#connections.size > 0 && waited < 1000; waited += 20) {
      await this.#clock.sleep(20);
    }
    for (const connection of this.#connections) connection.destroy();
  }

  #serveMetrics(address: string): void {
    const { clock, info, agents, mail, events } = this.services;
    const calls = new CallMetrics();
    this.dispatcher.observe(calls);
    this.#metrics = startMetricsServer({
      address,
      clock,
      version: info.version,
      startedAt: info.startedAt,
      calls,
      agentStates: () => [...agents.all()].map((agent) => agent.state),
      queueDepths: () => ({ mail: mail.queued, events: events.queued }),
      connections: () => this.#connections.size,
    });
    this.#log.info("metrics are served", { address: this.#metrics.address });
  }

  /** A connection on the operator's socket: an operator's, or an agent's that found its way there. */
  #accept(socket: Socket): void {
    if (this.#connections.size >= LIMITS.connections) {
      this.#log.warn("a connection was refused: there are too many", { limit: LIMITS.connections });
      socket.destroy();
      return;
    }
    const peer = this.#identify!(socket);
    if (peer.kind === "refused") {
      this.#log.warn("a connection was refused", { reason: peer.reason });
      socket.destroy();
    } else if (peer.kind === "agent") this.#serve(socket, peer.principal);
    else {
      const principal = this.#operator();
      this.#serve(socket, principal, () => principal.dispose());
    }
  }

  #operator(level?: Level): Principal {
    const policy = Policy.level(level ?? this.#options.operatorLevel ?? "unrestricted", HOME);
    return this.services.principals.create("operator", { authority: new Authority(policy) });
  }

  #serve(socket: Socket, principal: Principal, onClosed?: () => void): void {
    if (principal.gone || this.#tooMany(principal)) {
      socket.destroy();
      return;
    }
    const connection = serveSocket(socket, principal, {
      dispatcher: this.services.replays.responderOf(principal) ?? this.dispatcher,
      log: this.#log,
      onClosed: () => {
        this.#connections.delete(connection);
        onClosed?.();
      },
    });
    this.#connections.add(connection);
  }

  /** An agent and all below it share one allowance, so that one agent cannot use up everybody's. */
  #tooMany(principal: Principal): boolean {
    if (principal.kind === "operator") return false;
    let top = principal;
    while (top.parent && top.parent.kind !== "operator") top = top.parent;
    let count = 0;
    for (const connection of this.#connections) if (top.isAbove(connection.principal)) count++;
    if (count < LIMITS.connectionsPerAgent) return false;
    this.#log.warn("a connection was refused: its agent has too many", { agent: principal.label, count });
    return true;
  }

  async #listenPrivate(path: string, principal: Principal): Promise<() => Promise<void>> {
    const { agents } = this.services;
    const accept = (socket: Socket): void => {
      const peer = identifyOwner(socket, principal, { readPeer: this.#readPeer, agents });
      if (peer) this.#serve(socket, peer);
      else socket.destroy();
    };
    const server = await this.#listen(path, accept, LIMITS.backlogPerAgent);
    return () => {
      // The agent has ended for good: whoever still holds a connection of it speaks for nobody.
      for (const connection of this.#connections) {
        if (connection.principal === principal) connection.destroy();
      }
      return server.close();
    };
  }
}
