/**
 * The way to a kernel: the one that answers, or a private one.
 *
 * @module
 */
import { type Clove, connect, ConnectionError } from "@clove/sdk";
import type { SocketChoice } from "./command.ts";
import { CliError, STATUS } from "./exit.ts";
import { makePrivatePlace } from "./private_place.ts";

/** A connection, and whatever has to end with it. */
export interface Reached extends AsyncDisposable {
  readonly clove: Clove;
  /** Where that kernel listens. */
  readonly socket: string;
  /** True when the kernel was started for this command alone. */
  readonly own: boolean;
}

/**
 * Connects to the kernel.
 *
 * @throws {CliError} With status 3 when none answers; it says how to start one.
 */
export async function reachKernel(socket: SocketChoice): Promise<Clove> {
  const found = await tryKernel(socket);
  if ("clove" in found) return found.clove;
  const start = socket.chosen ? `clove kernel --socket ${socket.path}` : "clove kernel";
  throw new CliError(
    STATUS.noKernel,
    `Cannot reach a kernel at "${socket.path}": ${found.why}, start one with: ${start}`,
    { cause: found.cause },
  );
}

/**
 * Connects to the kernel that answers; null when nobody is there.
 *
 * @throws {CliError} With status 3 when somebody is there who does not answer us.
 */
export async function tryReach(socket: SocketChoice): Promise<Clove | null> {
  const found = await tryKernel(socket);
  if ("clove" in found) return found.clove;
  if (found.absent) return null;
  throw new CliError(STATUS.noKernel, `Cannot reach the kernel at "${socket.path}": ${found.why}`, {
    cause: found.cause,
  });
}

/** Connects to the kernel that answers, or starts one for this command: in memory, gone at the end. */
export async function reachOrStart(socket: SocketChoice): Promise<Reached> {
  const found = await tryKernel(socket);
  if ("clove" in found) {
    const { clove } = found;
    return { clove, socket: socket.path, own: false, [Symbol.asyncDispose]: () => clove.close() };
  }
  // Something is there and was named: to go on without it would not be what was asked for.
  if (socket.chosen && !found.absent) {
    throw new CliError(STATUS.clove, `Cannot reach the kernel at "${socket.path}": ${found.why}`, {
      cause: found.cause,
    });
  }
  return await startOwn();
}

async function startOwn(): Promise<Reached> {
  const { startKernel } = await import("../kernel/main.ts");
  const place = await makePrivatePlace();
  try {
    const kernel = await startKernel({
      socket: place.socket,
      data: null,
      sandbox: ["", "0"].includes(Deno.env.get("CLOVE_NO_SANDBOX") ?? ""),
      logLevel: "warn",
    });
    const clove = await connect({ transport: kernel.connect() });
    const end = async (): Promise<void> => {
      await clove.close();
      await kernel.close();
      await place.remove();
    };
    return { clove, socket: place.socket, own: true, [Symbol.asyncDispose]: end };
  } catch (cause) {
    await place.remove();
    throw new CliError(STATUS.clove, `Cannot start a private kernel: ${(cause as Error).message}`, { cause });
  }
}

type Found = { readonly clove: Clove } | {
  /** True when nobody is there, as opposed to somebody who does not answer us. */
  readonly absent: boolean;
  readonly why: string;
  readonly cause: unknown;
};

async function tryKernel(socket: SocketChoice): Promise<Found> {
  const stranger = socket.chosen ? null : await strangerAt(socket.path);
  if (stranger !== null) return { absent: false, why: stranger, cause: null };
  try {
    return { clove: await connect({ path: socket.path }) };
  } catch (cause) {
    if (!(cause instanceof ConnectionError)) throw cause;
    const reason = cause.cause;
    if (reason instanceof Deno.errors.NotFound) return { absent: true, why: "nothing is there", cause };
    if (reason instanceof Deno.errors.ConnectionRefused) {
      return { absent: true, why: "no kernel listens there any more", cause };
    }
    if (reason instanceof Deno.errors.PermissionDenied) {
      return { absent: false, why: "it is another user's", cause };
    }
    return { absent: false, why: cause.message, cause };
  }
}

/**
 * Anybody can put a socket at the default place, and would be told scripts and variables by whoever trusted it. Only
 * this user's and root's are trusted.
 *
 * @returns Whose it is, in words; null when it can be trusted or is not there.
 */
export async function strangerAt(path: string): Promise<string | null> {
  const uid = Deno.build.os === "windows" ? null : Deno.uid();
  if (uid === null) return null;
  try {
    const owner = (await Deno.lstat(path)).uid;
    return owner === uid || owner === 0
      ? null
      : `it belongs to user ${owner}, name it with --socket to trust it`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
