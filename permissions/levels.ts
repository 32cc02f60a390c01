import type { Level } from "./vocabulary.ts";

/**
 * The rules of each level, before the default blocks, which all but `unrestricted` have.
 *
 * No level but `unrestricted` reaches the network, runs a command or sees an environment variable beyond those
 * it was given. Children are never stronger than their parent, whatever the level: that is the authority's doing.
 */
export const LEVEL_RULES: Readonly<Record<Level, readonly string[]>> = {
  unrestricted: [
    "fs.read:/**",
    "fs.write:/**",
    "exec:*",
    "exec.shell:*",
    "net:any",
    "env:*",
    "spawn:*",
    "think:*",
    "ipc:*",
    "state:*",
    "event:*",
    "world:*",
    "admin:*",
    "secret:*",
  ],
  standard: [
    "fs.read:/**",
    "fs.write:/**",
    "spawn:* count=8 depth=3",
    "think:*",
    "ipc:*",
    "state:*",
    "event:*",
    "world:*",
  ],
  sandboxed: [
    "fs.read:/work/**",
    "fs.read:/tmp/**",
    "fs.write:/work/**",
    "fs.write:/tmp/**",
    "spawn:* count=8 depth=2",
    "think:*",
    "ipc:*",
    "state:*",
    "event:*",
    "world:*",
  ],
  readonly: ["fs.read:/**", "think:*", "ipc:*", "state:*", "event:*", "world:*"],
  minimal: ["think:*", "ipc:*", "state:*", "event:*"],
};
