/**
 * posix_spawn(3): starts a program with exactly the descriptors it was given numbers for.
 *
 * It is called on the main thread and returns when the program runs: a parent-death signal would fire with the end of
 * any other thread, and a plain fork copies a large heap's page tables.
 *
 * @module
 */
import { LibcError } from "./errno.ts";
import { cString, libc } from "./libc.ts";

const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;

/** One descriptor of the new process. */
export interface Move {
  /** Ours. */
  readonly from: number;
  /** Its number there. */
  readonly to: number;
}

/**
 * Orders moves so that none overwrites a descriptor that a later one still needs, using numbers nobody uses as stops
 * on the way. Pure.
 */
export function orderMoves(moves: readonly Move[]): readonly Move[] {
  const targets = new Set(moves.map(({ to }) => to));
  const taken = new Set([...targets, ...moves.map(({ from }) => from)]);
  const ordered: Move[] = [];
  const stops = new Map<number, number>();
  let free = 3;
  for (const { from, to } of moves) {
    if (from === to || !targets.has(from) || stops.has(from)) continue;
    while (taken.has(free)) free++;
    taken.add(free);
    stops.set(from, free);
    ordered.push({ from, to: free });
  }
  for (const { from, to } of moves) ordered.push({ from: stops.get(from) ?? from, to });
  return ordered;
}

interface Native {
  readonly actions: Deno.PointerValue;
  readonly attributes: Deno.PointerValue;
  readonly argv: Deno.PointerValue;
  readonly envp: Deno.PointerValue;
  /** Keeps the memory behind the pointers alive. */
  readonly memory: readonly ArrayBuffer[];
}

let native: Native | undefined;

/** Argument vector, empty environment and attributes are the same for every launch, and made once. */
function prepare(): Native {
  if (native) return native;
  const name = cString("clove-init");
  const argv = new BigUint64Array([Deno.UnsafePointer.value(Deno.UnsafePointer.of(name)), 0n]);
  const envp = new BigUint64Array(1);
  const actions = new ArrayBuffer(256);
  const attributes = new ArrayBuffer(512);
  const allSignals = new Uint8Array(128).fill(0xff);
  const attributesPointer = Deno.UnsafePointer.of(new Uint8Array(attributes));
  const { symbols } = { symbols: libc() };
  symbols.posix_spawnattr_init(attributesPointer);
  symbols.posix_spawnattr_setflags(attributesPointer, SETSIGDEF | SETSIGMASK);
  symbols.posix_spawnattr_setsigdefault(attributesPointer, allSignals);
  symbols.posix_spawnattr_setsigmask(attributesPointer, new Uint8Array(128));
  return native = {
    actions: Deno.UnsafePointer.of(new Uint8Array(actions)),
    attributes: attributesPointer,
    argv: Deno.UnsafePointer.of(argv),
    envp: Deno.UnsafePointer.of(envp),
    memory: [name.buffer, argv.buffer, envp.buffer, actions, attributes],
  };
}

const pidCell = new Int32Array(1);
const pidBytes = new Uint8Array(pidCell.buffer);

/**
 * Starts a program with an empty environment.
 *
 * @param path Absolute path of the program.
 * @param moves Its descriptors. Those of ours that are not close-on-exec it inherits as well.
 * @returns Its process id; it has to be waited for.
 * @throws {LibcError} With the code of fork(2) or execve(2).
 */
export function posixSpawn(path: string, moves: readonly Move[]): number {
  const { actions, attributes, argv, envp } = prepare();
  const symbols = libc();
  symbols.posix_spawn_file_actions_init(actions);
  try {
    for (const { from, to } of orderMoves(moves)) {
      const rc = symbols.posix_spawn_file_actions_adddup2(actions, from, to);
      if (rc !== 0) throw new LibcError("posix_spawn_file_actions_adddup2", rc);
    }
    const rc = symbols.posix_spawn(pidBytes, cString(path), actions, attributes, argv, envp);
    if (rc !== 0) throw new LibcError(`posix_spawn ${JSON.stringify(path)}`, rc);
  } finally {
    symbols.posix_spawn_file_actions_destroy(actions);
  }
  return pidCell[0]!;
}
