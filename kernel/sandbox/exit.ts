/**
 * How a process ended, in numbers and in words. Pure.
 *
 * @module
 */
import { signalName, SIGNALS } from "../../ffi/processes.ts";
import { formatBytes } from "../agents/bytes.ts";
import type { Exit } from "../agents/launch.ts";

/** Signals a program brings on itself by a fault. See signal(7), "Core". */
const FAULTS: ReadonlySet<number> = new Set([
  SIGNALS.SIGABRT,
  SIGNALS.SIGBUS,
  SIGNALS.SIGFPE,
  SIGNALS.SIGILL,
  SIGNALS.SIGSEGV,
  SIGNALS.SIGSYS,
  SIGNALS.SIGTRAP,
]);

/** What was observed of an end. */
export interface Ending {
  /** Status, when the program left by itself. */
  readonly status: number | null;
  /** Signal number, when one ended it. */
  readonly signal: number | null;
  readonly durationMs: number;
  readonly usage: Exit["usage"];
  /** The memory limit in bytes, if the cgroup says that it killed for it. */
  readonly oom: { readonly limit: number | null } | null;
}

/** Puts an ending into the words of {@link Exit}. */
export function describeExit({ status, signal, durationMs, usage, oom }: Ending): Exit {
  const duration_ms = Math.round(durationMs);
  // With oom.group the kernel kills everybody; a program that lost a child to it may also have left by itself.
  if (oom && signal === SIGNALS.SIGKILL) {
    const limit = oom.limit === null ? "" : `, ${formatBytes(oom.limit)}`;
    return {
      code: 128 + signal,
      signal: "SIGKILL",
      reason: "oom",
      cause: `killed by the memory limit${limit}`,
      duration_ms,
      usage,
    };
  }
  if (signal === null) {
    const code = status ?? 0;
    return { code, signal: null, reason: "exited", cause: `exited with status ${code}`, duration_ms, usage };
  }
  const name = signalName(signal);
  const crashed = FAULTS.has(signal);
  return {
    code: 128 + signal,
    signal: name,
    reason: crashed ? "crashed" : "killed",
    cause: crashed ? `crashed with ${name}` : `killed by ${name}`,
    duration_ms,
    usage,
  };
}
