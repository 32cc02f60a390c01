/**
 * Entries of a recording as REPLAY_START takes them: what is missing in one has a default, as in the original.
 *
 * @module
 */
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import type { ExecutionEntry } from "../../recording/execution_log.ts";

/** Entries of one replay: they come in one request, whose size bounds them too. */
const MOST_ENTRIES = 100_000;

const entrySchema = z.object({
  sequence_id: z.int().min(0).default(0),
  timestamp: z.string().default(""),
  agent_id: z.int().min(0).max(0xffff_ffff).default(0),
  opcode: z.int().min(0).max(255).default(0),
  opcode_name: z.string().default(""),
  payload: z.string().default(""),
  response: z.string().default(""),
  duration_us: z.number().default(0),
  success: z.boolean().default(true),
});

/**
 * Reads entries from a text or a list.
 *
 * @throws {SyscallError} `bad_request` in the original's words.
 */
export function readEntries(given: unknown): ExecutionEntry[] {
  let list = given;
  if (typeof given === "string") {
    try {
      list = JSON.parse(given);
    } catch (cause) {
      throw failed((cause as Error).message, cause);
    }
  }
  const parsed = z.array(entrySchema).max(MOST_ENTRIES).safeParse(list);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw failed(`${issue!.path.join(".") || "the list"}: ${issue!.message}`);
}

function failed(why: string, cause?: unknown): SyscallError {
  return new SyscallError("bad_request", `Failed to import recording data: ${why}`, { cause });
}
