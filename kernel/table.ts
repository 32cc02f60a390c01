/**
 * The table: every syscall there is, one row each. Everything that is known about syscalls is derived from it.
 *
 * @module
 */
import type { Syscall } from "./syscall.ts";
import { RESERVED_OPCODES } from "./families.ts";
import { asyncPoll } from "./syscalls/async/poll.ts";
import { eventEmit } from "./syscalls/event/emit.ts";
import { eventPoll } from "./syscalls/event/poll.ts";
import { eventSubscribe } from "./syscalls/event/subscribe.ts";
import { eventUnsubscribe } from "./syscalls/event/unsubscribe.ts";
import { ipcBroadcast } from "./syscalls/ipc/broadcast.ts";
import { ipcRecv } from "./syscalls/ipc/recv.ts";
import { ipcRegister } from "./syscalls/ipc/register.ts";
import { ipcSend } from "./syscalls/ipc/send.ts";
import { permsGet } from "./syscalls/perms/get.ts";
import { permsSet } from "./syscalls/perms/set.ts";
import { sysDescribe } from "./syscalls/sys/describe.ts";
import { sysDoctor } from "./syscalls/sys/doctor.ts";
import { sysExit } from "./syscalls/sys/exit.ts";
import { sysHello } from "./syscalls/sys/hello.ts";
import { sysNoop } from "./syscalls/sys/noop.ts";

/** Every row, in the order of opcodes. */
export const TABLE: readonly Syscall[] = ([
  sysNoop,
  ipcSend,
  ipcRecv,
  ipcBroadcast,
  ipcRegister,
  permsGet,
  permsSet,
  eventSubscribe,
  eventUnsubscribe,
  eventPoll,
  eventEmit,
  asyncPoll,
  sysDoctor,
  sysDescribe,
  sysHello,
  sysExit,
] as unknown as Syscall[]).sort((a, b) => a.opcode - b.opcode);

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

/** Opcodes that are taken and answer `unavailable`. */
export const RESERVED: ReadonlyMap<number, string> = RESERVED_OPCODES;
