/**
 * The table: every syscall there is, one row each. Everything that is known about syscalls is derived from it.
 *
 * @module
 */
import { z } from "zod";
import { ORIGINAL_OPCODES } from "./original.ts";
import { defineSyscall, type Syscall } from "./syscall.ts";
import { agentExplain } from "./syscalls/agent/explain.ts";
import { agentInput } from "./syscalls/agent/input.ts";
import { agentKill } from "./syscalls/agent/kill.ts";
import { agentLimits } from "./syscalls/agent/limits.ts";
import { agentList } from "./syscalls/agent/list.ts";
import { agentOutput } from "./syscalls/agent/output.ts";
import { agentPause } from "./syscalls/agent/pause.ts";
import { agentResize } from "./syscalls/agent/resize.ts";
import { agentResume } from "./syscalls/agent/resume.ts";
import { agentSpawn } from "./syscalls/agent/spawn.ts";
import { agentWait } from "./syscalls/agent/wait.ts";
import { agentWhy } from "./syscalls/agent/why.ts";
import { asyncPoll } from "./syscalls/async/poll.ts";
import { auditConfig } from "./syscalls/audit/config.ts";
import { auditLog } from "./syscalls/audit/log.ts";
import { auditVerify } from "./syscalls/audit/verify.ts";
import { eventEmit } from "./syscalls/event/emit.ts";
import { eventPoll } from "./syscalls/event/poll.ts";
import { eventSubscribe } from "./syscalls/event/subscribe.ts";
import { eventUnsubscribe } from "./syscalls/event/unsubscribe.ts";
import { execRun } from "./syscalls/exec/run.ts";
import { fsList } from "./syscalls/fs/list.ts";
import { fsMkdir } from "./syscalls/fs/mkdir.ts";
import { fsRead } from "./syscalls/fs/read.ts";
import { fsRemove } from "./syscalls/fs/remove.ts";
import { fsRename } from "./syscalls/fs/rename.ts";
import { fsStat } from "./syscalls/fs/stat.ts";
import { fsWrite } from "./syscalls/fs/write.ts";
import { ipcBroadcast } from "./syscalls/ipc/broadcast.ts";
import { ipcRecv } from "./syscalls/ipc/recv.ts";
import { ipcRegister } from "./syscalls/ipc/register.ts";
import { ipcSend } from "./syscalls/ipc/send.ts";
import { metricsAgent } from "./syscalls/metrics/agent.ts";
import { metricsAgents } from "./syscalls/metrics/agents.ts";
import { metricsCgroup } from "./syscalls/metrics/cgroup.ts";
import { metricsSystem } from "./syscalls/metrics/system.ts";
import { netHttp } from "./syscalls/net/http.ts";
import { netStream } from "./syscalls/net/stream.ts";
import { permsAnswer } from "./syscalls/perms/answer.ts";
import { permsApprovals } from "./syscalls/perms/approvals.ts";
import { permsExplain } from "./syscalls/perms/explain.ts";
import { permsGet } from "./syscalls/perms/get.ts";
import { permsGrant } from "./syscalls/perms/grant.ts";
import { permsRequest } from "./syscalls/perms/request.ts";
import { permsRevoke } from "./syscalls/perms/revoke.ts";
import { permsSet } from "./syscalls/perms/set.ts";
import { secretList } from "./syscalls/secret/list.ts";
import { secretRemove } from "./syscalls/secret/remove.ts";
import { secretSet } from "./syscalls/secret/set.ts";
import { recordStart } from "./syscalls/record/start.ts";
import { recordStatus } from "./syscalls/record/status.ts";
import { recordStop } from "./syscalls/record/stop.ts";
import { replayInspect } from "./syscalls/replay/inspect.ts";
import { replayStart } from "./syscalls/replay/start.ts";
import { replayStatus } from "./syscalls/replay/status.ts";
import { stateCas } from "./syscalls/state/cas.ts";
import { stateDelete } from "./syscalls/state/delete.ts";
import { stateFetch } from "./syscalls/state/fetch.ts";
import { stateKeys } from "./syscalls/state/keys.ts";
import { stateStore } from "./syscalls/state/store.ts";
import { stateWatch } from "./syscalls/state/watch.ts";
import { sysDescribe } from "./syscalls/sys/describe.ts";
import { sysDoctor } from "./syscalls/sys/doctor.ts";
import { sysExit } from "./syscalls/sys/exit.ts";
import { sysHello } from "./syscalls/sys/hello.ts";
import { sysNoop } from "./syscalls/sys/noop.ts";

/** Every row, in the order of opcodes. */
export const TABLE: readonly Syscall[] = [
  sysNoop,
  execRun,
  fsRead,
  fsWrite,
  fsStat,
  fsList,
  fsMkdir,
  fsRemove,
  fsRename,
  agentSpawn,
  agentKill,
  agentList,
  agentPause,
  agentResume,
  agentWait,
  agentOutput,
  agentLimits,
  agentInput,
  agentResize,
  agentExplain,
  agentWhy,
  ipcSend,
  ipcRecv,
  ipcBroadcast,
  ipcRegister,
  stateStore,
  stateFetch,
  stateDelete,
  stateKeys,
  stateCas,
  stateWatch,
  permsGet,
  permsSet,
  permsGrant,
  permsRevoke,
  permsExplain,
  permsRequest,
  permsApprovals,
  permsAnswer,
  secretSet,
  secretList,
  secretRemove,
  netHttp,
  netStream,
  eventSubscribe,
  eventUnsubscribe,
  eventPoll,
  eventEmit,
  recordStart,
  recordStop,
  recordStatus,
  replayStart,
  replayStatus,
  replayInspect,
  auditLog,
  auditConfig,
  auditVerify,
  asyncPoll,
  metricsSystem,
  metricsAgent,
  metricsAgents,
  metricsCgroup,
  sysDoctor,
  sysDescribe,
  sysHello,
  sysExit,
] as unknown as readonly Syscall[];

const byOpcode: (Syscall | undefined)[] = new Array(256).fill(undefined);
for (const row of TABLE) {
  const taken = byOpcode[row.opcode];
  if (taken) {
    throw new Error(`Cannot build the table: ${row.name} and ${taken.name} share opcode ${row.opcode}`);
  }
  byOpcode[row.opcode] = row;
}

/** The row of an opcode. */
export function rowOf(opcode: number): Syscall | undefined {
  return byOpcode[opcode];
}

/** Opcodes of the original that this kernel does not offer: they answer `unavailable`. */
export const RESERVED: ReadonlyMap<number, string> = new Map(
  Object.entries(ORIGINAL_OPCODES).flatMap(([wire, opcode]) => byOpcode[opcode] ? [] : [[opcode, wire]]),
);

/** What stands for an opcode that is no row's, where calls are counted and written down. No part of the table. */
export const UNKNOWN: Syscall = defineSyscall({
  name: "sys.unknown",
  wire: "UNKNOWN",
  opcode: -1,
  since: "0.1.0",
  summary: "An opcode that this kernel does not know.",
  params: z.custom<{ opcode: number }>(),
  result: z.unknown(),
  record: ({ opcode }) => ({ opcode }),
  tool: false,
  handle: () => null,
}) as unknown as Syscall;

/** The families of syscalls this kernel offers, such as `fs`. */
export const FAMILIES: readonly string[] = [...new Set(TABLE.map((row) => row.name.split(".")[0]!))];
