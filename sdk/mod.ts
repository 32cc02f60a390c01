/**
 * The client of a Clove kernel: what an agent imports.
 *
 * ```ts ignore
 * import { connect } from "@clove/sdk";
 *
 * await using clove = await connect();
 * await clove.state.store({ key: "greeting", value: "hello" });
 * ```
 *
 * A request that the kernel refuses throws a {@link SyscallError}; its `code` says what kind, and for `denied` its
 * `receipt` says which rule refused and how to ask for more.
 *
 * @module
 */
export { type Clove, connect, type ConnectOptions, type Message } from "./client/connect.ts";
export type { AgentRun, AgentTools } from "./client/agents.ts";
export type { ReconnectOptions } from "./client/client.ts";
export type { CallOptions } from "./client/session.ts";
export type { Stream } from "./client/stream.ts";
export type { StreamPair, Transport } from "./client/transport.ts";
export { ConnectionError, ProtocolError, TimeoutError } from "./client/errors.ts";
export {
  ERROR_CODES,
  type ErrorCode,
  type ProtocolVersion,
  type Receipt,
  SyscallError,
} from "./protocol/mod.ts";
export type * from "./client/syscalls.generated.ts";
