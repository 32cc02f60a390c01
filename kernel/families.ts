/**
 * The families of syscalls. A family that is reserved answers `unavailable`: its opcodes are taken and its clients
 * exist, but this kernel does not offer it.
 *
 * @module
 */

/** Families with rows in the table. */
export const FAMILIES = [
  "sys",
  "fs",
  "exec",
  "agent",
  "ipc",
  "state",
  "perms",
  "event",
  "async",
] as const;

/** Opcodes of the original whose family this kernel does not offer, with their names. */
export const RESERVED_OPCODES: ReadonlyMap<number, string> = new Map([
  [0x01, "THINK"],
  [0x50, "HTTP"],
  [0x70, "RECORD_START"],
  [0x71, "RECORD_STOP"],
  [0x72, "RECORD_STATUS"],
  [0x73, "REPLAY_START"],
  [0x74, "REPLAY_STATUS"],
  [0x76, "GET_AUDIT_LOG"],
  [0x77, "SET_AUDIT_CONFIG"],
  [0xa0, "WORLD_CREATE"],
  [0xa1, "WORLD_DESTROY"],
  [0xa2, "WORLD_LIST"],
  [0xa3, "WORLD_JOIN"],
  [0xa4, "WORLD_LEAVE"],
  [0xa5, "WORLD_EVENT"],
  [0xa6, "WORLD_STATE"],
  [0xa7, "WORLD_SNAPSHOT"],
  [0xa8, "WORLD_RESTORE"],
  [0xb0, "TUNNEL_CONNECT"],
  [0xb1, "TUNNEL_DISCONNECT"],
  [0xb2, "TUNNEL_STATUS"],
  [0xb3, "TUNNEL_LIST_REMOTES"],
  [0xb4, "TUNNEL_CONFIG"],
  [0xc0, "METRICS_SYSTEM"],
  [0xc1, "METRICS_AGENT"],
  [0xc2, "METRICS_ALL_AGENTS"],
  [0xc3, "METRICS_CGROUP"],
  [0xf0, "LLM_REPORT"],
]);
