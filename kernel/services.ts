/**
 * The services behind the syscalls, as handlers find them in `ctx.services`. `kernel.ts` builds them.
 *
 * @module
 */
import type { Clock } from "../worlds/clock.ts";
import type { Files } from "../worlds/files.ts";
import type { Random } from "../worlds/random.ts";
import type { Agents } from "./agents/agents.ts";
import type { Approvals } from "./approvals/approvals.ts";
import type { Grants } from "./approvals/grants.ts";
import type { KeptRights } from "./approvals/kept.ts";
import type { AsyncResults } from "./async_results.ts";
import type { Audit } from "./audit/audit.ts";
import type { Egress } from "./egress/mod.ts";
import type { EventBus } from "./events.ts";
import type { ExecRunner } from "./exec/exec.ts";
import type { Learner } from "./learning/learner.ts";
import type { Log } from "./log.ts";
import type { Mail } from "./mail.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { OutputFiles } from "./output/files.ts";
import type { Principals } from "./principals.ts";
import type { ExecutionLog } from "./recording/execution_log.ts";
import type { Recorder } from "./recording/recorder.ts";
import type { Replays } from "./recording/replays.ts";
import type { EntriesReplay } from "./recording/replica.ts";
import type { Secrets } from "./secrets/secrets.ts";
import type { StateStore } from "./state/state.ts";
import type { Journal } from "./telemetry/journal.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import type { Storage } from "./storage/storage.ts";

/** Everything a handler can reach. */
export interface Services {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly info: KernelInfo;
  readonly principals: Principals;
  readonly files: Files;
  readonly storage: Storage;
  readonly state: StateStore;
  readonly agents: Agents;
  readonly grants: Grants;
  readonly kept: KeptRights;
  readonly approvals: Approvals;
  readonly exec: ExecRunner;
  readonly mail: Mail;
  readonly events: EventBus;
  readonly asyncResults: AsyncResults;
  readonly audit: Audit;
  readonly egress: Egress;
  readonly secrets: Secrets;
  readonly metrics: Metrics;
  /** What agents wrote, on disk; null when the kernel keeps nothing there. */
  readonly output: OutputFiles | null;
  readonly journal: Journal;
  /** Null unless OTEL_DENO is set. */
  readonly telemetry: Telemetry | null;
  readonly learner: Learner;
  readonly recorder: Recorder;
  readonly replays: Replays;
  readonly executions: ExecutionLog;
  readonly entriesReplay: EntriesReplay;
}

/** Facts about the running kernel. */
export interface KernelInfo {
  readonly version: string;
  /** The families of syscalls it offers, such as `fs`. */
  readonly families: readonly string[];
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** The operator's socket, or null when the kernel has none (tests). */
  readonly socket: string | null;
  /** Where the database is, or null with `--ephemeral`. */
  readonly dataDir: string | null;
  /** Sockets, agents' private directories, the SDK's agent bundle: gone when the kernel ends. Mode 0700. */
  readonly runDir: string;
}
