/** What the tests of this folder share: gates, servers on loopback, and clients that send bytes as they are told. */
import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Need, Verdict } from "../../permissions/mod.ts";
import type { Decision } from "./decision.ts";
import type { Gate } from "./gate.ts";
import { EgressProxy, type ProxyOptions } from "./proxy.ts";
import { Resolver } from "./resolve.ts";

/** A gate whose answers a test can change, and which remembers what it was asked. */
export class TestGate implements Gate {
  /** Every target and address that was asked about. */
  readonly asked: string[] = [];
  target: (target: string, method: string | undefined) => boolean;
  ip: (ip: string) => boolean;

  constructor(
    target: (target: string, method: string | undefined) => boolean = () => true,
    ip = (_: string) => true,
  ) {
    this.target = target;
    this.ip = ip;
  }

  weigh(need: Need): Verdict {
    this.asked.push(need.target);
    return this.#verdict(this.target(need.target, need.method), need, need.target);
  }

  address(need: Need, ip: string): Verdict {
    this.asked.push(ip);
    if (!this.target(need.target, need.method)) return this.#verdict(false, need, need.target);
    return this.#verdict(this.ip(ip), need, ip);
  }

  #verdict(allowed: boolean, need: Need, what: string): Verdict {
    if (allowed) return { allowed, rule: "test allows" };
    const missing = `net:${need.target}`;
    return {
      allowed,
      reason: `Cannot reach "${what}": the test says no`,
      receipt: { need: missing, rule: "test refuses", missing, ask: `clove perms grant AGENT ${missing}` },
    };
  }
}

/** A server that hands each connection to a function, and is gone with its connections at the closing brace. */
export class Loopback implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      socket.on("error", () => {});
      this.sockets.push(socket);
    });
  }

  static async start(server: Server, host = "127.0.0.1"): Promise<Loopback> {
    await new Promise<void>((resolve) => server.listen(0, host, () => resolve()));
    return new Loopback(server);
  }

  /** Serves raw connections. */
  static raw(handler: (socket: Socket) => void): Promise<Loopback> {
    return Loopback.start(createServer(handler));
  }

  /** Answers every connection with these bytes once it has sent something, then closes. */
  static saying(...answers: (string | Uint8Array)[]): Promise<Loopback & { heard: string[] }> {
    const heard: string[] = [];
    return Loopback.raw((socket) => {
      const index = heard.push("") - 1;
      let answered = false;
      socket.on("data", (bytes: Uint8Array) => {
        heard[index] += Buffer.from(bytes).toString("latin1");
        if (answered || !heard[index]!.includes("\r\n\r\n")) return;
        answered = true;
        socket.end(answers[Math.min(index, answers.length - 1)]!);
      });
    }).then((loopback) => Object.assign(loopback, { heard }));
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get connections(): number {
    return this.sockets.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** A proxy on loopback with its decisions. */
export class TestProxy implements AsyncDisposable {
  readonly decisions: Decision[] = [];
  readonly proxy: EgressProxy;
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server, options: Partial<ProxyOptions>) {
    this.proxy = new EgressProxy({
      agent: 7,
      gate: new TestGate(),
      onDecision: (decision) => this.decisions.push(decision),
      ...options,
    });
    this.proxy.adopt(server);
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
  }

  static async start(options: Partial<ProxyOptions> = {}): Promise<TestProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    return new TestProxy(server, options);
  }

  /** The last decision. */
  get last(): Decision | undefined {
    return this.decisions.at(-1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.once("close", () => resolve()));
    this.proxy.close();
    await closed;
  }
}

/** A client that sends what it is told, and collects what comes. */
export class Wire implements AsyncDisposable {
  readonly socket: Socket;
  /** Everything received, one character a byte. */
  text = "";
  ended = false;
  #closed = false;
  #wake: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    const wake = () => {
      for (const one of this.#wake.splice(0)) one();
    };
    socket.on("data", (bytes: Uint8Array) => {
      this.text += Buffer.from(bytes).toString("latin1");
      wake();
    });
    socket.on("end", () => {
      this.ended = true;
      wake();
    });
    socket.on("close", () => {
      this.#closed = true;
      this.ended = true;
      wake();
    });
    socket.on("error", wake);
  }

  static open(port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Wire(socket)));
    });
  }

  send(text: string | Uint8Array): void {
    if (typeof text === "string") this.socket.write(text, "latin1");
    else this.socket.write(text);
  }

  /** Waits until a text has been received; fails at the end of the connection or after `ms`. */
  async until(found: string | ((text: string) => boolean), ms = 5_000): Promise<string> {
    const done = typeof found === "string" ? () => this.text.includes(found) : () => found(this.text);
    await this.#wait(() => done() || this.ended, ms);
    if (!done()) {
      throw new Error(`The connection ended before ${found}: ${JSON.stringify(this.text.slice(0, 500))}`);
    }
    return this.text;
  }

  /** Waits for the end of the connection. */
  async end(ms = 5_000): Promise<string> {
    await this.#wait(() => this.ended, ms);
    return this.text;
  }

  async #wait(done: () => boolean, ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (!done()) {
      const left = until - performance.now();
      if (left <= 0) {
        throw new Error(`Nothing more in ${ms} ms after ${JSON.stringify(this.text.slice(0, 500))}`);
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const closed = new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
    this.socket.destroy();
    await closed;
  }
}

/** A resolver that answers from a table, once from each list in turn, and then from the last. */
export function tableResolver(table: Record<string, string[] | string[][]>): Resolver & { asked: string[] } {
  const asked: string[] = [];
  const turns = new Map<string, number>();
  const resolver = new Resolver({
    lookup: (host) => {
      asked.push(host);
      const entry = table[host];
      if (entry === undefined) {
        return Promise.reject(Object.assign(new Error(`no ${host}`), { code: "ENOTFOUND" }));
      }
      if (!Array.isArray(entry[0])) return Promise.resolve(entry as string[]);
      const turn = turns.get(host) ?? 0;
      turns.set(host, turn + 1);
      return Promise.resolve((entry as string[][])[Math.min(turn, entry.length - 1)]!);
    },
  });
  return Object.assign(resolver, { asked });
}

/** Sends one request through a proxy and returns all that comes until the proxy closes. */
export async function exchange(port: number, text: string | Uint8Array): Promise<string> {
  await using wire = await Wire.open(port);
  wire.send(text);
  return await wire.end();
}

/** Waits until something holds. */
export async function eventually(holds: () => boolean, what: string, ms = 5_000): Promise<void> {
  const until = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > until) throw new Error(`Not so after ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
