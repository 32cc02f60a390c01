/** Every kind of right an agent can hold; the word before the colon of a rule. */
export const CAPABILITIES = [
  "fs.read",
  "fs.write",
  "exec",
  "exec.shell",
  "net",
  "env",
  "spawn",
  "think",
  "ipc",
  "state",
  "event",
  "world",
  "admin",
  "secret",
] as const;

/** One kind of right, such as `fs.read`. */
export type Capability = (typeof CAPABILITIES)[number];

/** The named policies, from the widest to the narrowest. */
export const LEVELS = ["unrestricted", "standard", "sandboxed", "readonly", "minimal"] as const;

/** The name of a level. */
export type Level = (typeof LEVELS)[number];

const capabilities: ReadonlySet<string> = new Set(CAPABILITIES);
const levels: ReadonlySet<string> = new Set(LEVELS);

/** Whether a word is a capability. */
export function isCapability(word: string): word is Capability {
  return capabilities.has(word);
}

/** Whether a word is a level. */
export function isLevel(word: string): word is Level {
  return levels.has(word);
}

/** Sizes beyond which a policy or a need is refused unread: matching stays cheap whatever is sent. */
export const BOUNDS = {
  /** Characters of one pattern. */
  patternChars: 1024,
  /** Characters of one rule's line; an argv pattern may hold many words. */
  lineChars: 16 * 1024,
  /** Characters of a path, as PATH_MAX in limits.h. */
  pathChars: 4096,
  /** Characters of any other target. */
  targetChars: 16 * 1024,
  /** Elements of an argv. */
  argvItems: 4096,
  /** Characters of all elements of an argv together; execve(2) gives up at a similar size. */
  argvChars: 128 * 1024,
  /** Rules of one layer. */
  rules: 1024,
  /** Characters of one policy text. */
  policyChars: 256 * 1024,
  /** Layers of one policy: each meet adds at most one per side. */
  layers: 64,
  /** Grants one agent may hold at a time. */
  grants: 256,
  /** Of those, grants from one and the same giver, so that no giver can crowd out the others. */
  grantsPerGiver: 32,
  /** Agents visited to weigh one need through grants; beyond that the answer is no. */
  visits: 1024,
  /** Models counted one by one in a ledger; more are counted together. */
  models: 256,
} as const;
