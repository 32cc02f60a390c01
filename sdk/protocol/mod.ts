/**
 * Clove's wire protocol: frames, their parser, binary payloads, and the errors that cross the socket.
 * For whoever writes a client or a transport; agents want the package's main door.
 *
 * Protocol 1: one answer per request, in order, with the request's opcode.
 *
 * Protocol 2 holds from the frame after the answer to HELLO `{"protocol_version":2}`:
 *
 * - Every request carries an id that is free: its last frame has come. It gets exactly one **answer**: same id, same
 *   opcode, neither MORE nor PUSH.
 * - A **stream** is parts (MORE) and then the answer.
 * - A **subscription** begins with an answer; then come pushed frames (PUSH and MORE) under the same id, and a last
 *   one (PUSH alone) whose payload is `{}` or a failure that says why it ended. The id is free after that.
 * - **Credit**: a stream or subscription begins with {@link STREAM_WINDOW_BYTES}. Each part or pushed frame takes its
 *   whole length, header included; the next may be sent while credit is above zero, so one frame can overdraw it.
 *   CREDIT adds. Answers and last frames take none.
 * - **CANCEL** asks for an end, it does not replace the last frame: a running request still gets its answer (code
 *   `cancelled` if it did not win the race), a subscription its last frame.
 * - CANCEL and CREDIT for an id that is not open are ignored: they crossed its last frame on the way.
 * - HELLO is not special later on; it cannot go back to protocol 1.
 *
 * @module
 */
export {
  encodeFrame,
  FLAGS,
  type Frame,
  FrameError,
  FrameParser,
  HEADER_BYTES,
  MAGIC,
  MAX_PAYLOAD_BYTES,
  type ProtocolVersion,
  STREAM_WINDOW_BYTES,
  writeHeader,
} from "./frame.ts";
export { decodeBinary, encodeBinary } from "./binary.ts";
export { ERROR_CODES, type ErrorCode, type Receipt, SyscallError } from "./errors.ts";
