/**
 * The commands there are. Each is loaded when it is called: `clove ps` should not wait for what `clove run` needs.
 *
 * @module
 */
import type { Command } from "./command.ts";

/** A line of the help, and the way to the rest. */
export interface Entry {
  /** Usage, after the command's name. */
  readonly usage: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** By name, in the order of the help. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  run: {
    usage: "SCRIPT [ARG]... | -- ARGV...",
    summary: "run a program as an agent and wait for it",
    load: async () => (await import("./commands/run.ts")).run,
  },
  kernel: {
    usage: "[OPTION]...",
    summary: "start a kernel",
    load: async () => (await import("./commands/kernel.ts")).kernel,
  },
  spawn: {
    usage: "SCRIPT [ARG]... | -- ARGV...",
    summary: "start an agent and leave it running",
    load: async () => (await import("./commands/spawn.ts")).spawn,
  },
  ps: {
    usage: "[-a] [--json]",
    summary: "list agents",
    load: async () => (await import("./commands/ps.ts")).ps,
  },
  top: {
    usage: "[--once]",
    summary: "show agents as they run",
    load: async () => (await import("./commands/top.ts")).top,
  },
  logs: {
    usage: "[-f] NAME|ID",
    summary: "show what an agent wrote",
    load: async () => (await import("./commands/logs.ts")).logs,
  },
  why: {
    usage: "NAME|ID",
    summary: "tell how an agent ended, or how it is doing",
    load: async () => (await import("./commands/why.ts")).why,
  },
  kill: {
    usage: "NAME|ID...",
    summary: "stop agents for good",
    load: async () => (await import("./commands/kill.ts")).kill,
  },
  pause: {
    usage: "NAME|ID...",
    summary: "freeze agents",
    load: async () => (await import("./commands/pause.ts")).pause,
  },
  resume: {
    usage: "NAME|ID...",
    summary: "let paused agents go on",
    load: async () => (await import("./commands/pause.ts")).resume,
  },
  exec: {
    usage: "-- ARGV...",
    summary: "run a command through the kernel",
    load: async () => (await import("./commands/exec.ts")).exec,
  },
  replay: {
    usage: "[show] FILE",
    summary: "run a recorded program again, with every answer from its recording",
    load: async () => (await import("./commands/replay.ts")).replay,
  },
  state: {
    usage: "get|set|delete|keys|watch ...",
    summary: "read and change the kernel's state",
    load: async () => (await import("./commands/state.ts")).state,
  },
  events: {
    usage: "[TYPE]...",
    summary: "show what happens, as it happens",
    load: async () => (await import("./commands/events.ts")).events,
  },
  perms: {
    usage: "show|set|grant|revoke|explain ...",
    summary: "show and change what an agent may do",
    load: async () => (await import("./commands/perms.ts")).perms,
  },
  approvals: {
    usage: "[list|show|answer] ...",
    summary: "see what agents ask for, and answer",
    load: async () => (await import("./commands/approvals.ts")).approvals,
  },
  secret: {
    usage: "set|list|remove ...",
    summary: "keep what agents may use and never see",
    load: async () => (await import("./commands/secret.ts")).secret,
  },
  audit: {
    usage: "[log|verify|config] ...",
    summary: "read, check and configure the audit log",
    load: async () => (await import("./commands/audit.ts")).audit,
  },
  doctor: {
    usage: "[--json]",
    summary: "tell which walls this machine offers, and what blocks the others",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  pentest: {
    usage: "[--level LEVEL] [--json]",
    summary: "attack the walls from inside, harmlessly, and tell what held",
    load: async () => (await import("./commands/pentest.ts")).pentest,
  },
};

/** What `clove --help` prints. */
export function helpText(): string {
  const width = Math.max(
    ...Object.entries(COMMANDS).map(([name, { usage }]) => name.length + usage.length + 1),
  );
  const lines = Object.entries(COMMANDS).map(([name, { usage, summary }]) =>
    `  ${`${name} ${usage}`.padEnd(width)}  ${summary}\n`
  );
  return `clove - runs AI agents as confined processes

Usage: clove [--socket PATH] COMMAND [OPTION]...

${lines.join("")}
  --socket PATH   where the kernel listens   [CLOVE_SOCKET, /tmp/clove.sock]
  --version       print the version and leave
  --help          print this; after a command: its options

Start with:  clove run script.ts
`;
}
