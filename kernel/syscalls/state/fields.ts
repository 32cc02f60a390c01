/**
 * Fields that the rows of the state store share.
 *
 * @module
 */
import { z } from "zod";
import { LIMITS } from "../../limits.ts";
import { required } from "../../schema.ts";
import { SCOPES } from "../../state/namespaces.ts";

/** The key of a row. */
export const key: z.ZodString = z.string({ error: required("key is required") }).describe(
  `1 to ${LIMITS.keyBytes} bytes of UTF-8.`,
);

/** Where a write goes. */
export const writeScope: z.ZodOptional<z.ZodString> = z.string().optional().describe(
  "`global` (everyone, the default), `agent` (this agent's name, also after a restart) or `session` (this identity, " +
    "while it is there).",
);

/** Where a read looks. */
export const readScope: z.ZodOptional<z.ZodString> = z.string().optional().describe(
  "`global`, `agent` or `session`; absent looks into the caller's own first: session, agent, global.",
);

/** Time to live. */
export const ttl: z.ZodOptional<z.ZodNumber> = z.number().optional().describe(
  "Seconds until the key expires, with a fraction; absent is never.",
);

/** The version of a row. */
export const version: z.ZodInt = z.int().min(0).describe(
  "Rises with every change of the store and never comes back; 0 is a key that does not exist.",
);

/** A scope in an answer. */
export const scope: z.ZodEnum<{ global: "global"; agent: "agent"; session: "session" }> = z.enum(SCOPES)
  .describe(
    "Where it is.",
  );
