/**
 * The way in: {@link connect}.
 *
 * @module
 */
import { type ProtocolVersion, SyscallError } from "../protocol/mod.ts";
import { type AgentTools, runAgent } from "./agents.ts";
import { Client, familiesOf, type ReconnectOptions } from "./client.ts";
import { connectTo, findTransport } from "./find.ts";
import type { CallOptions } from "./session.ts";
import type { Stream } from "./stream.ts";
import type {
  EventSubscribePart,
  EventSubscribeResult,
  IpcRecvResult,
  Syscalls,
} from "./syscalls.generated.ts";
import { type StreamPair, streamTransport, type Transport } from "./transport.ts";

/** Where and how to connect. */
export interface ConnectOptions {
  /** Path of the kernel's socket. */
  readonly path?: string;
  /** Instead of a path: a connection that is already there, such as an embedded kernel's. */
  readonly transport?: Transport | StreamPair;
  /** Connect again when the connection ends. Works for sockets; a descriptor or `transport` cannot be opened twice. */
  readonly reconnect?: boolean | ReconnectOptions;
  /** The highest protocol to speak; 2 when absent. */
  readonly protocol?: ProtocolVersion;
  /** Milliseconds for the kernel to answer HELLO; 10,000 when absent. */
  readonly timeoutMs?: number;
}

/** One of the messages that {@link Clove.messages} yields. */
export type Message = IpcRecvResult["messages"][number];

/** A connected client. Every syscall is a method, under its family: `clove.fs.read({ path })`. */
export interface Clove extends Syscalls, AsyncDisposable {
  /** The protocol that was agreed on. With 1 nothing is pushed, streamed or cancelled. */
  readonly protocol: ProtocolVersion;
  /** This client's number in the kernel. */
  readonly agentId: number;
  /** The kernel's version. */
  readonly version: string;
  /**
   * Makes a request by opcode, for syscalls that this version has no method for.
   *
   * @throws {SyscallError} What the kernel answered.
   * @throws {ConnectionError} When there is no connection, or it breaks meanwhile.
   */
  request(opcode: number, params?: unknown, options?: CallOptions): Promise<unknown>;
  /**
   * Events as they happen.
   *
   * @param types Such as `AGENT_EXITED`, or names given to `event.emit`.
   * @throws {SyscallError} `unsupported` with protocol 1: use `event.subscribe` and `event.poll` there.
   */
  events(types: readonly string[], options?: CallOptions): Stream<EventSubscribePart, EventSubscribeResult>;
  /** The caller's mail, message by message, as it comes. A message is taken from the mailbox when it is yielded. */
  messages(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<Message>;
  /** Whole agents, from start to end. */
  readonly agents: AgentTools;
  /** Sends what is waiting, then closes. Requests that are open fail with a `ConnectionError`. */
  close(): Promise<void>;
}

/**
 * Connects to a kernel and shakes hands.
 *
 * Without options it uses what its process was given: the socket at `CLOVE_SOCKET` if it may be used, the descriptor in
 * `CLOVE_FD`, descriptor 3 (a spawned agent's own connection, which needs no permission), `/tmp/clove.sock`; the first
 * that is there.
 *
 * An idle client does not keep its program running; an open request, stream or subscription does.
 *
 * When the connection breaks, open requests fail with a `ConnectionError` whose `sent` says whether the kernel may
 * have seen them; none is repeated. With `reconnect`, later requests go over a new connection. On an operator's socket
 * that is a new caller: names it registered and mail it had are gone. A spawned agent stays itself.
 *
 * @param options Where to connect.
 * @returns A client, ready to call.
 * @throws {ConnectionError} If nobody listens, or the connection ends before the kernel answers.
 * @throws {ProtocolError} If what answers is no kernel.
 * @throws {TimeoutError} If nothing answers in time.
 *
 * @example Ask who is there
 * ```ts ignore
 * await using clove = await connect();
 * console.log((await clove.sys.hello()).version);
 * ```
 */
export async function connect(options: ConnectOptions = {}): Promise<Clove> {
  const { transport, path } = await open(options);
  const reconnect = options.reconnect === true ? {} : options.reconnect || null;
  const client = await Client.open(transport, {
    reopen: path === null ? null : () => connectTo(path),
    reconnect,
    protocol: options.protocol ?? 2,
    helloTimeoutMs: options.timeoutMs ?? 10_000,
  });
  return cloveOf(client);
}

async function open(options: ConnectOptions): Promise<{ transport: Transport; path: string | null }> {
  const { path, transport } = options;
  if (transport) {
    return { transport: "readable" in transport ? streamTransport(transport) : transport, path: null };
  }
  if (path !== undefined) return { transport: await connectTo(path), path };
  return await findTransport();
}

function cloveOf(client: Client): Clove {
  const families = familiesOf(client) as unknown as Syscalls;
  return {
    ...families,
    get protocol() {
      return client.welcome.protocol;
    },
    get agentId() {
      return client.welcome.agentId;
    },
    get version() {
      return client.welcome.version;
    },
    request: (opcode, params, options) =>
      client.call({ name: `opcode 0x${opcode.toString(16).padStart(2, "0")}`, opcode, params }, options),
    events: (types, options) => {
      if (client.welcome.protocol === 2) {
        return families.event.subscribe({ event_types: [...types] }, options);
      }
      const message = "Cannot follow events in protocol 1: use event.subscribe and event.poll";
      return client.refuse(new SyscallError("unsupported", message));
    },
    agents: { run: (params, options) => runAgent(families, params, options) },
    messages: (options = {}) => mail(families, options),
    close: () => client.close(),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function* mail(
  families: Syscalls,
  options: { readonly signal?: AbortSignal },
): AsyncGenerator<Message, undefined> {
  for (;;) {
    // One at a time: a message that was taken but not yielded would be lost when the loop is left.
    const { messages } = await families.ipc.recv({ max: 1, wait: true }, options);
    yield* messages;
  }
}
