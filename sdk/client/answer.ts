/**
 * From an answer's bytes to a result, or to the error it stands for.
 *
 * @module
 */
import {
  decodeBinary,
  ERROR_CODES,
  type ErrorCode,
  FLAGS,
  type Frame,
  type Receipt,
  SyscallError,
} from "../protocol/mod.ts";
import { ProtocolError } from "./errors.ts";

const decoder = new TextDecoder();
const CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/** EXIT is answered with the word `goodbye`, without quotes. */
const EXIT = 0xff;

/**
 * The JSON of a frame. Raw bytes that came with it are put under `tail`, copied: the frame's memory is used again.
 *
 * @throws {ProtocolError} When it is no JSON.
 */
export function readPayload(frame: Frame): unknown {
  if (frame.payload.byteLength === 0) return {};
  try {
    if ((frame.flags & FLAGS.BINARY) !== 0) {
      const { json, tail } = decodeBinary(frame.payload);
      return { ...(json as Record<string, unknown>), tail: tail.slice() };
    }
    const text = decoder.decode(frame.payload);
    return frame.opcode === EXIT && !text.startsWith("{") ? text : JSON.parse(text);
  } catch (cause) {
    const opcode = frame.opcode.toString(16).padStart(2, "0");
    throw new ProtocolError(`Cannot read an answer to opcode 0x${opcode}: it is no JSON`, { cause });
  }
}

/**
 * The error that an answer stands for, or null when it is a result. `success: false` alone is none: a command that ran
 * and ended with status 1 is a result.
 */
export function failureOf(answer: unknown): SyscallError | null {
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return null;
  const { success, error, code, receipt, ...details } = answer as Record<string, unknown>;
  if (success === true || typeof error !== "string" || error === "") return null;
  return new SyscallError(codeOf(code, error), error, {
    details,
    ...(isReceipt(receipt) ? { receipt } : {}),
  });
}

/** Kernels that speak only protocol 1 send no code; two of their texts say which it would be. */
function codeOf(code: unknown, error: string): ErrorCode {
  if (typeof code === "string" && CODES.has(code)) return code as ErrorCode;
  if (error.startsWith("Permission denied")) return "denied";
  if (error.startsWith("invalid request")) return "bad_request";
  return "internal";
}

function isReceipt(value: unknown): value is Receipt {
  if (typeof value !== "object" || value === null) return false;
  const { need, rule, missing, ask } = value as Record<string, unknown>;
  return [need, rule, missing, ask].every((text) => typeof text === "string");
}
