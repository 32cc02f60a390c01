/**
 * The capability algebra: what an agent may do, why not, and what would change it. Pure: no file, no clock, no network.
 *
 * A {@linkcode Policy} is made of rules such as `fs.read:/work/**`; an act is a {@linkcode Need};
 * {@linkcode weigh} says whether the one allows the other; {@linkcode meet} is the most that two policies both allow;
 * an {@linkcode Authority} is what one agent holds at the moment, in the tree of agents.
 *
 * @module
 */

export { CAPABILITIES, type Capability, type Level, LEVELS } from "./vocabulary.ts";
export {
  type Amount,
  connectNeed,
  envNeed,
  execNeed,
  fileNeed,
  formatNeed,
  type Need,
  netNeed,
  type NetTarget,
  type Offspring,
  plainNeed,
  secretNeed,
  type SecretUse,
  spawnNeed,
  thinkNeed,
  withAddress,
} from "./need.ts";
export { type Allowed, askFor, type Receipt, type Refused, type Verdict } from "./verdict.ts";
export { meet, Policy } from "./policy.ts";
export type { ParseOptions } from "./layer_draft.ts";
export type { LayerJson, PolicyJson } from "./json.ts";
export { PolicySyntaxError } from "./syntax_error.ts";
export { weigh } from "./weigh.ts";
export { isWritten, type NamedPlace, namedPlaces, namedPrograms } from "./os_rules.ts";
export { covers, coversTogether, includes } from "./covers.ts";
export { addressAllowed, Authority } from "./authority.ts";
export type { Grant } from "./grant.ts";
export type { Reservation } from "./reservation.ts";
export type { Usage } from "./ledger.ts";
export {
  fromPermissionObject,
  type PermissionObject,
  type PermissionView,
  toPermissionObject,
} from "./permission_object.ts";
export { namesLoopback } from "./loopback.ts";
export { compileDenoFlags, type DenoView } from "./deno_flags.ts";
export { type AddressClass, classifyAddress } from "./address.ts";
export { canonicalHost } from "./host.ts";
export { BLOCKED_PATHS } from "./blocked_paths.ts";
export { BLOCKED_COMMANDS } from "./blocked_commands.ts";
