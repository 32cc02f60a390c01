/**
 * How the kernel reaches the processes of a sandbox: through libc, or through Deno where libc may not be called.
 *
 * @module
 */
import type { SignalName } from "../../ffi/processes.ts";
import { reap, signalChild, signalIf } from "../../ffi/processes.ts";
import { LibcError } from "../../ffi/errno.ts";
import { descendants, descendsFrom } from "./tree.ts";

/** Signals and ends of processes. */
export interface Control {
  /** Sends a signal to a process of the sandbox if it still belongs there. False when it is gone. */
  signal(pid: number, init: number, signal: SignalName): boolean;
  /** Whom to signal to reach all processes of the agent. */
  members(init: number, agent: number): readonly number[];
  /** Looks after a child and reaps it: `running`, or how it ended where that is known. */
  ended(pid: number): "running" | { readonly status: number | null; readonly signal: number | null };
}

/** Through libc: numbers are checked behind a pidfd, children are reaped here. */
export const libcControl: Control = {
  signal(pid, init, signal) {
    if (pid === init) return signalChild(pid, signal);
    return signalIf(pid, signal, (number) => descendsFrom(number, init));
  },
  members: (init) => descendants(init),
  ended(pid) {
    try {
      return reap({ pid }) ?? "running";
    } catch (error) {
      if (error instanceof LibcError && error.code === "ECHILD") return { status: null, signal: null };
      throw error;
    }
  },
};
