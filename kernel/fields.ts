/**
 * Fields that several rows share, so that they mean and say the same everywhere.
 *
 * @module
 */
import { z } from "zod";
import { LIMITS } from "./limits.ts";

/** `success: true`, which every answer of the original carries. */
export const success = z.literal(true).optional().describe(
  "Always true here; failures carry `error` and `code`.",
);

/** An agent's number. */
export function agentId(text: string): z.ZodInt {
  return z.int().min(0).max(0xffff_ffff).describe(text);
}

/** A name that is shown to people. */
export function nameField(
  text: string,
  error?: (issue: { input?: unknown }) => string | undefined,
): z.ZodString {
  // An empty name is a missing one, as in the original.
  const required = error?.({ input: undefined });
  return z.string({ error }).regex(
    new RegExp(`^[A-Za-z0-9._-]{1,${LIMITS.nameChars}}$`),
    {
      error: ({ input }) =>
        input === "" && required || `a name is 1 to ${LIMITS.nameChars} characters of A-Z a-z 0-9 . _ -`,
    },
  ).describe(text);
}

/** `async` and `request_id` of the calls that can be deferred. */
export const deferrable = {
  async: z.boolean().optional().describe(
    "Answer at once and keep the result for async.poll. Absent means true in protocol 1, false in protocol 2.",
  ),
  request_id: z.int().min(0).optional().describe(
    "The number for the result; 0 or absent lets the kernel choose.",
  ),
};

/** What a deferred call answers at once. */
export const accepted = {
  async: z.literal(true).optional().describe("Present when the call was deferred."),
  request_id: z.int().optional().describe("The number under which async.poll will give the result."),
  status: z.literal("accepted").optional().describe("Present when the call was deferred."),
};
