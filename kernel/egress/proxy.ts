/**
 * The egress proxy: the one way out of an agent's network namespace.
 *
 * It listens where the agent can reach it and connects from where the kernel is. It speaks HTTP (absolute-form
 * requests and CONNECT) and SOCKS5 on the same port, and belongs to one agent: whoever connects is that agent.
 *
 * @module
 */
import type { Server, Socket } from "node:net";
import type { Credential } from "./credential.ts";
import type { OnDecision } from "./decision.ts";
import { EgressError } from "./errors.ts";
import type { Gate } from "./gate.ts";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";
import { Passage, type PassageOptions } from "./passage.ts";
import { Session } from "./proxy_session.ts";
import { Resolver } from "./resolve.ts";
import type { Substitute } from "./secrets.ts";
import { PassageWatch } from "./watch.ts";

/** What a proxy is made of. */
export interface ProxyOptions {
  /** The agent's number, for the reports. */
  readonly agent: number;
  /** Decides from what the agent holds at that moment. */
  readonly gate: Gate;
  /** Receives each decision. */
  readonly onDecision?: OnDecision;
  /** Puts sealed secrets into the headers of plain HTTP requests; tunnels are not touched. */
  readonly substitute?: Substitute;
  /** Resolves names; the machine's resolver with the limits below, unless given. */
  readonly resolver?: Resolver;
  /** Bounds to change. */
  readonly limits?: Partial<EgressLimits>;
  /** Watches what is open; the proxy's own, unless given. */
  readonly watch?: PassageWatch;
  /** What a client must prove itself with, where others than the agent can connect. */
  readonly credential?: Credential;
  /** Told of a session that ended by a fault of ours, and not of either connection. */
  readonly onFault?: (error: unknown) => void;
}

/** What a proxy is doing. */
export interface ProxyStats {
  /** Connections of the agent. */
  readonly connections: number;
  /** Tunnels among them, those being opened included. */
  readonly tunnels: number;
  /** Requests and tunnels under way. */
  readonly passages: number;
  /** Connections that were closed at once, because there were too many. */
  readonly turnedAway: number;
}

/** One agent's proxy. */
export class EgressProxy {
  /** The bounds in force. */
  readonly limits: EgressLimits;
  /** Puts sealed secrets into headers. */
  readonly substitute: Substitute | undefined;
  /** What a client must prove itself with. */
  readonly credential: Credential | undefined;
  readonly #options: ProxyOptions;
  readonly #resolver: Resolver;
  readonly #servers = new Set<Server>();
  readonly #sockets = new Set<Socket>();
  readonly #watch: PassageWatch;
  #tunnels = 0;
  #turnedAway = 0;
  #closed = false;

  /** @param options See {@link ProxyOptions}. Nothing listens yet. */
  constructor(options: ProxyOptions) {
    this.#options = options;
    this.limits = { ...EGRESS_LIMITS, ...options.limits };
    this.substitute = options.substitute;
    this.credential = options.credential;
    this.#watch = options.watch ?? new PassageWatch(this.limits);
    this.#resolver = options.resolver ?? new Resolver({
      timeoutMs: this.limits.resolveMs,
      inFlight: this.limits.lookups,
      addresses: this.limits.addresses,
    });
  }

  /** What it is doing. */
  get stats(): ProxyStats {
    return {
      connections: this.#sockets.size,
      tunnels: this.#tunnels,
      passages: this.#watch.size,
      turnedAway: this.#turnedAway,
    };
  }

  /** Serves what connects to a server, wherever it listens. {@link close} closes the server too. */
  adopt(server: Server): void {
    this.#servers.add(server);
    server.on("connection", (socket: Socket) => this.handle(socket));
  }

  /** Serves one connection. */
  handle(socket: Socket): void {
    // The session listens from the start; this is for the sockets that never get one.
    socket.on("error", () => socket.destroy());
    if (this.#closed || this.#sockets.size >= this.limits.connections) {
      this.#turnedAway++;
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // Who has finished sending may still want to read.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    void new Session(this, socket).run();
  }

  /**
   * Asks the gate again about everything that is open, and closes what it no longer allows. Call it when a policy or
   * a grant changes; what merely expires is found within `recheckMs`.
   *
   * @returns How many were closed.
   */
  recheck(): number {
    return this.#watch.recheck();
  }

  /** Closes every server, connection, tunnel and request. */
  close(): void {
    this.#closed = true;
    for (const server of this.#servers) server.close();
    this.#watch.abort(new EgressError("cancelled", "Cannot go on: the proxy was closed"));
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Begins a passage and watches it. The session ends it with {@link leave}. */
  enter(what: Pick<PassageOptions, "kind" | "target" | "method">): Passage {
    const { agent, gate, onDecision } = this.#options;
    const passage = new Passage({
      ...what,
      agent,
      gate,
      onDecision,
      resolver: this.#resolver,
      limits: this.limits,
    });
    if (what.method === null) {
      if (this.#tunnels >= this.limits.tunnels) {
        throw passage.fail(
          new EgressError(
            "limit",
            `Cannot open a tunnel to ${what.target.label}: ${this.#tunnels} are open already, close one`,
          ),
        );
      }
      this.#tunnels++;
    }
    this.#watch.enter(passage);
    return passage;
  }

  /** Forgets a passage that has ended. */
  leave(passage: Passage, kind: PassageOptions["kind"]): void {
    if (this.#watch.leave(passage) && kind !== "forward") this.#tunnels--;
  }

  /** Hands on what ended a session and was no connection's fault. */
  fault(error: unknown): void {
    this.#options.onFault?.(error);
  }

  /** Reports what was refused before there was a place to go to. */
  report(kind: PassageOptions["kind"], target: string, method: string | null, end: string): void {
    this.#options.onDecision?.({
      agent: this.#options.agent,
      kind,
      phase: "done",
      target: target.slice(0, 200),
      method,
      ip: null,
      allowed: false,
      rule: null,
      receipt: null,
      status: null,
      bytesUp: 0,
      bytesDown: 0,
      ms: 0,
      end,
    });
  }
}
