/**
 * The client: typed methods over one connection, and over the next one when it reconnects.
 *
 * @module
 */
import type { ProtocolVersion, SyscallError } from "../protocol/mod.ts";
import { ConnectionError, TimeoutError } from "./errors.ts";
import { type CallOptions, type Request, Session, type Welcome } from "./session.ts";
import { Inflow, type Stream } from "./stream.ts";
import { ROWS } from "./syscalls.generated.ts";
import type { Transport } from "./transport.ts";

/** How a client behaves when its connection ends. Requests that were open fail in any case. */
export interface ReconnectOptions {
  /** How often to try before giving up; 10 when absent. */
  readonly attempts?: number;
  /** Milliseconds before the second try, doubled for each further one; 50 when absent. */
  readonly delayMs?: number;
  /** Milliseconds that a delay grows to; 2,000 when absent. */
  readonly maxDelayMs?: number;
  /** Subscribe again and go on. What was sent in between is lost; without it a subscription ends with an error. */
  readonly resubscribe?: boolean;
}

/** What a {@link Client} is made of. */
export interface ClientOptions {
  /** Opens a new connection, or null when there can be only one. */
  readonly reopen: (() => Promise<Transport>) | null;
  readonly reconnect: ReconnectOptions | null;
  readonly protocol: ProtocolVersion;
  readonly helloTimeoutMs: number;
}

/** Requests, streams and reconnection; the typed methods of {@link Families} sit on it. */
export class Client {
  readonly #options: ClientOptions;
  #session!: Session;
  #welcome!: Welcome;
  #closed = false;
  #reconnecting: Promise<void> | null = null;

  private constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Shakes hands over a transport. */
  static async open(transport: Transport, options: ClientOptions): Promise<Client> {
    const client = new Client(options);
    await client.#adopt(transport);
    return client;
  }

  /** What the kernel said when the connection opened. */
  get welcome(): Welcome {
    return this.#welcome;
  }

  /** One request, one answer. */
  call(request: Request, options?: CallOptions): Promise<unknown> {
    return this.#session.end === null
      ? this.#session.call(request, options)
      : this.#later(request).then((session) => session.call(request, options));
  }

  /** A request with parts, or a subscription. */
  stream<Part, Result>(request: Request, options: CallOptions, subscribes: boolean): Stream<Part, Result> {
    const { signal, timeoutMs, tail } = options;
    let timer: ReturnType<typeof setTimeout> | null = null;
    const inflow = new Inflow<Part, Result>(() => {
      signal?.removeEventListener("abort", onAbort);
      if (timer !== null) clearTimeout(timer);
    });
    const onAbort = () => inflow.finish(signal!.reason, true);
    if (signal?.aborted) {
      inflow.finish(signal.reason);
      return inflow;
    }
    signal?.addEventListener("abort", onAbort);
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => {
        const message = `Gave up on ${request.name}: it had not ended within ${timeoutMs} ms`;
        inflow.finish(new TimeoutError(message, timeoutMs), true);
      }, timeoutMs);
    }
    const resubscribe = subscribes && this.#options.reconnect?.resubscribe === true;
    const onEnd = (error: unknown) => {
      if (resubscribe && error instanceof ConnectionError && !this.#closed && !inflow.ended) start();
      else inflow.finish(error);
    };
    const start = () => {
      if (this.#session.end === null) this.#session.stream(request, inflow, { subscribes, tail, onEnd });
      else {
        this.#later(request).then(
          (session) => inflow.ended || session.stream(request, inflow, { subscribes, tail, onEnd }),
          (error) => inflow.finish(error),
        );
      }
    };
    start();
    return inflow;
  }

  /** A stream that has failed before it began. */
  refuse<Part, Result>(error: SyscallError): Stream<Part, Result> {
    const inflow = new Inflow<Part, Result>();
    inflow.finish(error);
    return inflow;
  }

  /** Sends what is waiting and closes. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#session.close();
  }

  async #adopt(transport: Transport): Promise<void> {
    const { protocol, helloTimeoutMs } = this.#options;
    const { session, welcome } = await Session.open(transport, { protocol, timeoutMs: helloTimeoutMs });
    this.#session = session;
    this.#welcome = welcome;
  }

  /** The next session, for a request that came while there was none. It has not been sent by then. */
  async #later(request: Request): Promise<Session> {
    const cause = this.#session.end;
    if (this.#closed) throw new ConnectionError(`Cannot send ${request.name}: the client is closed`);
    const { reconnect, reopen } = this.#options;
    if (!reconnect || !reopen) {
      const remedy = reopen ? ', connect again or use the option "reconnect"' : "";
      throw new ConnectionError(`Cannot send ${request.name}: the connection has ended${remedy}`, { cause });
    }
    this.#reconnecting ??= this.#reconnect(reconnect, reopen).finally(() => this.#reconnecting = null);
    try {
      await this.#reconnecting;
    } catch (error) {
      throw new ConnectionError(`Cannot send ${request.name}: ${(error as Error).message}`, { cause: error });
    }
    return this.#session;
  }

  async #reconnect(options: ReconnectOptions, reopen: () => Promise<Transport>): Promise<void> {
    const { attempts = 10, delayMs = 50, maxDelayMs = 2_000 } = options;
    for (let attempt = 1;; attempt++) {
      try {
        await this.#adopt(await reopen());
        if (this.#closed) await this.#session.close();
        return;
      } catch (cause) {
        if (this.#closed || attempt >= attempts) {
          throw new ConnectionError(`no kernel answered in ${attempt} attempts`, { cause });
        }
      }
      const delay = Math.min(delayMs * 2 ** (attempt - 1), maxDelayMs);
      // Half of it by chance: clients of a kernel that restarts should not all come at once.
      await new Promise((resolve) => setTimeout(resolve, delay / 2 + Math.random() * delay / 2));
    }
  }
}

/** Builds `clove.fs.read(...)` and all the others. */
export function familiesOf(client: Client): Record<string, Record<string, unknown>> {
  const families: Record<string, Record<string, unknown>> = {};
  for (const [family, verb, opcode, kind] of ROWS) {
    const name = `${family}.${verb}`;
    const methods = families[family] ??= {};
    if (kind === "call") {
      methods[verb] = (params: unknown = {}, options?: CallOptions) =>
        client.call({ name, opcode, params }, options);
    } else {
      methods[verb] = (params: { poll?: boolean } = {}, options: CallOptions = {}) =>
        // A subscription that is polled sends nothing by itself.
        client.stream({ name, opcode, params }, options, kind === "subscription" && params.poll !== true);
    }
  }
  return families;
}
