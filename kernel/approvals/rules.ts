/**
 * The rules of a question or a grant: what a person can read at a glance, and means exactly what it says.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import { Policy, PolicySyntaxError } from "../../permissions/mod.ts";
import { HOME } from "../home.ts";

/** Rules of one grant, and characters of all of them together. More is a policy, which is set and not granted. */
export const RULES = { most: 16, chars: 4_096 } as const;

/** Rules that were read. */
export interface GrantRules {
  readonly policy: Policy;
  /** Each in its one canonical form: what is shown is what holds, whatever characters it was written with. */
  readonly lines: readonly string[];
}

/**
 * Reads rules.
 *
 * @param denies Whether they may also take something out again.
 * @throws {SyscallError} `bad_request` for what is no plain rule, and for too many of them.
 */
export function readGrantRules(given: string | readonly string[], denies: boolean): GrantRules {
  const texts = typeof given === "string" ? [given] : given;
  const chars = texts.reduce((sum, text) => sum + text.length, 0);
  if (chars > RULES.chars) throw bad(`the rules are longer than ${RULES.chars} characters`);
  const policy = parse(texts);
  const { level, blocks, expires, maxExecTimeMs, own } = policy.layers[0]!.parts;
  if (policy.layers.length > 1 || level !== null || blocks.length > 0) {
    throw bad('only plain rules are granted, such as "fs.read:/srv/data/**"; a level is set with perms.set');
  }
  if (expires !== undefined || maxExecTimeMs !== undefined) {
    throw bad("only plain rules are granted; say how long in the request's own field");
  }
  if (own.length === 0) throw bad("there is no rule");
  if (own.length > RULES.most) throw bad(`there are ${own.length} rules, at most ${RULES.most} go together`);
  if (own.every((rule) => rule.deny)) throw bad("a rule that denies gives nothing");
  if (!denies && own.some((rule) => rule.deny)) throw bad("a rule that denies cannot be asked for");
  return { policy, lines: policy.toString().split("\n") };
}

function parse(texts: readonly string[]): Policy {
  try {
    return Policy.parse(texts, { home: HOME, name: "grant" });
  } catch (cause) {
    if (!(cause instanceof PolicySyntaxError || cause instanceof RangeError)) throw cause;
    throw new SyscallError("bad_request", `invalid request: ${cause.message}`, { cause });
  }
}

function bad(why: string): SyscallError {
  return new SyscallError("bad_request", `invalid request: Cannot grant this: ${why}`);
}
