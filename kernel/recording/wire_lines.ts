/**
 * From the frames of one agent's connections to lines of a recording. Also what a replay compares: both sides go
 * through the same functions.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Answer } from "../dispatch.ts";
import { readRequest } from "../schema.ts";
import { rowOf } from "../table.ts";
import type { AnswerLine, CallLine } from "./format.ts";
import { type Redact, redactBytes, redactJson } from "./redact.ts";
import type { TappedCall } from "./tap.ts";

/** The part of a call that is compared. */
export type CallBody = Pick<CallLine, "opcode" | "name" | "params" | "raw" | "tail">;

/** Reads a request: its arguments where they are JSON, else its bytes. Rows without JSON keep their bytes. */
export function callBody(call: TappedCall, redact: Redact): CallBody {
  const row = rowOf(call.opcode);
  const head = {
    opcode: call.opcode,
    name: row?.name ?? `opcode 0x${call.opcode.toString(16).padStart(2, "0")}`,
  };
  if (!row?.raw) {
    try {
      const { json, tail } = readRequest(call.payload, call.binary);
      return {
        ...head,
        params: redactJson(json, redact),
        ...(tail && tail.byteLength > 0 ? { tail: base64(tail, redact) } : {}),
      };
    } catch {
      // No JSON: the dispatcher refuses it in its own words, and the bytes are what was asked.
    }
  }
  return { ...head, raw: base64(call.payload, redact) };
}

/** An answer as it is kept. */
export function answerBody(answer: Answer, redact: Redact): Pick<AnswerLine, "answer" | "raw" | "tail"> {
  if (answer.raw) return { raw: base64(answer.raw, redact) };
  return {
    answer: redactJson(answer.json, redact),
    ...(answer.tail ? { tail: base64(answer.tail, redact) } : {}),
  };
}

/** Raw bytes as text. */
export function base64(bytes: Uint8Array, redact: Redact): string {
  const clean = redactBytes(bytes, redact);
  return Buffer.from(clean.buffer, clean.byteOffset, clean.byteLength).toString("base64");
}

/** Undoes {@link base64}. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** True for rows whose answer may be followed by pushed frames for as long as the connection lives. */
export function isSubscription(opcode: number): boolean {
  const row = rowOf(opcode);
  return row?.part !== undefined && row.streams !== true;
}
