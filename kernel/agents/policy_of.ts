/**
 * The policy of a new agent: what was asked for, and the places and variables it was given.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import {
  covers,
  fileNeed,
  formatNeed,
  type Level,
  meet,
  Policy,
  PolicySyntaxError,
  weigh,
} from "../../permissions/mod.ts";
import { HOME } from "../home.ts";
import { INSIDE } from "./places.ts";

/** What an agent may do when its SPAWN says nothing. */
export const DEFAULT_LEVEL: Level = "sandboxed";

/** What a SPAWN says about rights. */
export interface PolicyRequest {
  readonly level?: Level;
  /** Rules as text or as a list; or an object as `Policy.toJson` writes it. */
  readonly policy?: string | readonly string[] | Record<string, unknown>;
}

/** A place that the agent was given. */
export interface GivenPlace {
  /** As the policy names it. */
  readonly path: string;
  readonly mode: "ro" | "rw";
  /** False for a single file. */
  readonly directory: boolean;
}

/**
 * Builds the policy. A level and rules together mean the level with the rules added; rules alone mean exactly
 * those; neither means {@link DEFAULT_LEVEL}.
 *
 * @throws {SyscallError} `bad_request` when the rules cannot be read; the message points at the character.
 */
export function requestedPolicy({ level, policy }: PolicyRequest): Policy {
  try {
    if (policy === undefined) return Policy.level(level ?? DEFAULT_LEVEL, HOME);
    if (typeof policy === "string" || Array.isArray(policy)) {
      const lines = typeof policy === "string" ? [policy] : policy as readonly string[];
      return Policy.parse(level ? [`level:${level}`, ...lines] : lines, { home: HOME });
    }
    const read = Policy.fromJson(policy, { home: HOME });
    return level ? meet(Policy.level(level, HOME), read) : read;
  } catch (cause) {
    if (!(cause instanceof PolicySyntaxError || cause instanceof TypeError || cause instanceof RangeError)) {
      throw cause;
    }
    throw new SyscallError("bad_request", `invalid request: ${cause.message}`, { cause });
  }
}

/** True when the policy lets its holder read its own work directory, and so also what was put beside it. */
export function readsFiles(policy: Policy): boolean {
  return weigh(policy, fileNeed("fs.read", INSIDE.work)).allowed;
}

/** The policy with the given places added: they were weighed against the giver, who wants the agent to have them. */
export function withPlaces(policy: Policy, places: readonly GivenPlace[]): Policy {
  const missing = places.flatMap((place) => placeRules(place)).filter((rule) => !covers(policy, rule));
  if (missing.length === 0) return policy;
  const rules = missing.join("\n");
  // Every layer has to allow.
  return Policy.parse(
    policy.toString().split("\nand\n").map((layer) => `${layer}\n${rules}`).join("\nand\n"),
  );
}

function placeRules({ path, mode, directory }: GivenPlace): string[] {
  const capabilities = mode === "rw" ? ["fs.read", "fs.write"] as const : ["fs.read"] as const;
  return capabilities.map((capability) => {
    const rule = formatNeed(fileNeed(capability, path));
    if (!directory) return rule;
    // A trailing slash means the directory and all below it.
    const slash = path === "/" ? "**" : "/";
    return rule.endsWith('"') ? `${rule.slice(0, -1)}${slash}"` : rule + slash;
  });
}
