import { parseAddress } from "./address.ts";
import { argvFault } from "./argv_pattern.ts";
import { amountFault, type Spending } from "./ledger.ts";
import { formatNeed, type Need } from "./need.ts";
import { pathFault } from "./path_pattern.ts";
import type { Policy } from "./policy.ts";
import type { Rule } from "./rule.ts";
import { shellWord, shown } from "./text.ts";
import type { Refused, Verdict } from "./verdict.ts";
import { BOUNDS, type Capability, isCapability } from "./vocabulary.ts";

/**
 * Whether a policy allows a need, and by which rule.
 *
 * Limits are compared with what this one need takes; what was spent before is known to an
 * {@linkcode Authority} only.
 *
 * @param nowMs Milliseconds since 1970, for policies that end; the machine's clock if absent.
 */
export function weigh(policy: Policy, need: Need, nowMs?: number): Verdict {
  const fault = needFault(need);
  if (fault !== null) return refuse(need, fault);
  if (policy.expires !== undefined && !((nowMs ?? Date.now()) < policy.expires)) return ended(policy, need);
  const rule = decide(policy, need, null);
  return rule !== null ? rule.allowed : refuseBy(policy, need, null);
}

/** The rule that allows a sound need under a policy that has not ended; null when a layer refuses. */
export function decide(policy: Policy, need: Need, spent: Spending | null): Rule | null {
  const { layers } = policy;
  let rule: Rule | null = null;
  for (let i = 0; i < layers.length; i++) {
    rule = layers[i]!.decide(need, spent);
    if (rule === null) return null;
  }
  return rule;
}

/** The refusal of a need that {@linkcode decide} did not allow. `whose` goes before the rule, such as `parent, `. */
export function refuseBy(policy: Policy, need: Need, spent: Spending | null, whose = ""): Refused {
  const layer = policy.layers.find((each) => each.decide(need, spent) === null);
  if (layer === undefined) return refuse(need, `${whose}nothing is allowed`);
  const { rule, quota } = layer.refusal(need, spent);
  return refuse(need, whose + rule, quota);
}

/** The refusal by a policy that has ended. */
export function ended(policy: Policy, need: Need, whose = ""): Refused {
  return refuse(need, `${whose}the policy ended at ${new Date(policy.expires!).toISOString()}`);
}

/** A refusal with its sentence and receipt. */
export function refuse(need: Need, rule: string, quota = false): Refused {
  const missing = formatMissing(need);
  return {
    allowed: false,
    reason: `Cannot ${VERBS[need.capability] ?? "do"} ${shown(need.target)}: ${rule}`,
    receipt: { need: missing, rule, missing, ask: `clove perms grant AGENT ${shellWord(missing)}` },
    ...(quota ? { quota: true } : {}),
  };
}

/** Why a need could not be allowed by any rule, as a part of a sentence; null when it is sound. */
export function needFault(need: Need): string | null {
  switch (need.capability) {
    case "fs.read":
    case "fs.write":
      return pathFault(need.target);
    case "exec":
      return argvFault(need.argv);
    case "net":
      if (need.url === undefined) return "the need names no host";
      return need.url.address !== undefined && parseAddress(need.url.address) === null
        ? `${shown(need.url.address)} is not an address`
        : null;
    case "think": {
      const fault = need.amount === undefined ? null : amountFault(need.amount);
      return fault ?? targetFault(need.target);
    }
    case "spawn": {
      const { count = 1, depth = 1 } = need.offspring ?? {};
      return count >= 0 && depth >= 0 ? targetFault(need.target) : "count or depth is not a number from 0 up";
    }
    default:
      return isCapability(need.capability)
        ? targetFault(need.target)
        : `${shown(String(need.capability))} is no capability`;
  }
}

function targetFault(target: string): string | null {
  return target.length > BOUNDS.targetChars
    ? `the target is longer than ${BOUNDS.targetChars} characters`
    : null;
}

/** A need too long for a rule is not repeated in full: no such rule could be written. */
function formatMissing(need: Need): string {
  const text = formatNeed(need);
  return text.length > BOUNDS.lineChars ? `${text.slice(0, 256)}…` : text;
}

const VERBS: Readonly<Record<Capability, string>> = {
  "fs.read": "read",
  "fs.write": "write",
  "exec": "run",
  "exec.shell": "run in a shell",
  "net": "reach",
  "env": "see the variable",
  "spawn": "spawn",
  "think": "call the model",
  "ipc": "message",
  "state": "use the state",
  "event": "use the event",
  "world": "use the world",
  "admin": "administer",
  "secret": "use the secret",
};
