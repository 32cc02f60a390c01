/**
 * Clove's wire protocol: frames, their parser, binary payloads, and the errors that cross the socket.
 * For whoever writes a client or a transport; agents want the package's main door.
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
  writeHeader,
} from "./frame.ts";
export { decodeBinary, encodeBinary } from "./binary.ts";
export { ERROR_CODES, type ErrorCode, type Receipt, SyscallError } from "./errors.ts";
