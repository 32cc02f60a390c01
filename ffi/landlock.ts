/**
 * Landlock: what a process may do to which files, decided by itself, for good. See landlock(7).
 *
 * @module
 */
import { ARCH } from "./arch.ts";
import { rawSyscall } from "./libc.ts";
import type { Chain } from "./program.ts";
import { syscallNumber } from "./syscall_numbers.ts";

const EXECUTE = 1 << 0;
const WRITE_FILE = 1 << 1;
const READ_FILE = 1 << 2;
const READ_DIR = 1 << 3;
const REFER = 1 << 13; // ABI 2
const TRUNCATE = 1 << 14; // ABI 3
const IOCTL_DEV = 1 << 15; // ABI 5
const FIRST_ABI = (1 << 13) - 1;

const NET_BIND_TCP = 1; // ABI 4
const NET_CONNECT_TCP = 2;
const SCOPE_ABSTRACT_UNIX = 1; // ABI 6
const SCOPE_SIGNAL = 2;

const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;
const RULE_NET_PORT = 2; // ABI 4
const AT_FDCWD = -100;
const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;

/**
 * The machine's Landlock ABI, 0 where there is none.
 *
 * @throws When libc cannot be opened.
 */
export function landlockAbi(): number {
  const abi = rawSyscall(syscallNumber("landlock_create_ruleset", ARCH), 0, 0, CREATE_RULESET_VERSION);
  return abi > 0 ? abi : 0;
}

/** All file rights an ABI knows; what is handled and not granted is refused. */
export function handledRights(abi: number): number {
  return FIRST_ABI | (abi >= 2 ? REFER : 0) | (abi >= 3 ? TRUNCATE : 0) | (abi >= 5 ? IOCTL_DEV : 0);
}

/**
 * What a rule grants. `list`: names only. `device`: a device file. `ro` and `rw` let programs be executed; `read`,
 * `write` and their sum `data` do not, and `execute` lets nothing else.
 */
export type LandlockMode = "ro" | "rw" | "list" | "device" | "read" | "write" | "data" | "execute";

/** One rule. */
export interface LandlockRule {
  /** Absolute path as seen by the process that restricts itself. */
  readonly path: string;
  readonly kind: "directory" | "file";
  readonly mode: LandlockMode;
  /** It grants nothing where there is no such file, instead of failing the launch. */
  readonly optional?: boolean;
}

/** The rights of a rule. Those that only directories have must not be named for a file. */
export function rightsOf({ kind, mode }: LandlockRule, abi: number): number {
  const files = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
  const wanted = {
    ro: EXECUTE | READ_FILE | READ_DIR,
    rw: ~IOCTL_DEV,
    list: READ_DIR,
    device: READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV,
    read: READ_FILE | READ_DIR,
    write: ~(IOCTL_DEV | EXECUTE | READ_FILE | READ_DIR),
    data: ~(IOCTL_DEV | EXECUTE),
    execute: EXECUTE,
  }[mode];
  return wanted & handledRights(abi) & (kind === "file" ? files : ~0);
}

/** Options of {@link restrictSelf}. */
export interface LandlockOptions {
  readonly abi: number;
  readonly rules: readonly LandlockRule[];
  /** Refuses TCP too, for where a network namespace cannot be had (ABI 4). */
  readonly refuseTcp: boolean;
  /** With {@link refuseTcp}: the one port that may be connected to all the same. */
  readonly connect?: number;
}

/**
 * Restricts the calling process. Needs no_new_privs.
 *
 * @param fd The number that the ruleset's descriptor is going to have; the one after it is used too.
 */
export function restrictSelf(
  chain: Chain,
  fd: number,
  { abi, rules, refuseTcp, connect }: LandlockOptions,
): void {
  const { arena } = chain.program;
  const net = refuseTcp && abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
  const scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0;
  const attributes = arena.words([handledRights(abi), net, scoped]);
  const size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  chain.add("create a Landlock ruleset", "landlock_create_ruleset", [attributes, size, 0]);
  for (const rule of rules) {
    const beneath = arena.allocate(16); // struct landlock_path_beneath_attr: rights, descriptor
    arena.setWord(beneath, rightsOf(rule, abi));
    arena.setInt(beneath + 8, fd + 1);
    const add = (): void => {
      chain.add(`open ${rule.path} for Landlock`, "openat", [AT_FDCWD, rule.path, O_PATH_CLOEXEC]);
      chain.add(`allow ${rule.mode} ${rule.path}`, "landlock_add_rule", [fd, RULE_PATH_BENEATH, beneath, 0]);
      chain.add(`close ${rule.path}`, "close", [fd + 1]);
    };
    // Where nothing was opened there is no descriptor of that number, so the two calls after it fail as well.
    if (rule.optional) chain.leniently(add);
    else add();
  }
  if (net !== 0 && connect !== undefined) {
    const port = arena.words([NET_CONNECT_TCP, connect]); // struct landlock_net_port_attr
    chain.add(`allow connecting to port ${connect}`, "landlock_add_rule", [fd, RULE_NET_PORT, port, 0]);
  }
  chain.add("enter the Landlock ruleset", "landlock_restrict_self", [fd, 0]);
  chain.add("close the Landlock ruleset", "close", [fd]);
}
