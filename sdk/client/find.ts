/**
 * Where the kernel is, when nobody says so. Asks for no permission: what is not granted is not looked at.
 *
 * @module
 */
import { openDescriptor } from "./descriptor.ts";
import { ConnectionError } from "./errors.ts";
import { connectUnix, type Transport } from "./transport.ts";

/** Where a kernel listens unless told otherwise. */
export const DEFAULT_SOCKET = "/tmp/clove.sock";

/** The descriptor on which a spawned agent finds its kernel. */
const AGENT_DESCRIPTOR = 3;

/**
 * Opens the connection that this process was given: the socket at `CLOVE_SOCKET` if it may be used, the descriptor
 * named by `CLOVE_FD`, descriptor 3, the default socket; the first that is there. A variable that may not be read
 * counts as not set. The socket comes first because Deno opens descriptors only through a layer that takes as long to
 * load as Deno itself.
 *
 * @throws {ConnectionError} When there is none.
 */
export async function findTransport(): Promise<{ transport: Transport; path: string | null }> {
  const path = env("CLOVE_SOCKET");
  const named = env("CLOVE_FD");
  if (path !== null && mayConnect(path)) {
    try {
      return { transport: await connectTo(path), path };
    } catch (error) {
      if (!(error instanceof ConnectionError) || named === null) throw error;
      // The descriptor is there all the same.
    }
  }
  if (named !== null) {
    if (!/^\d{1,9}$/.test(named)) {
      throw new ConnectionError(`Cannot connect: CLOVE_FD is "${named}", not the number of a descriptor`);
    }
    const transport = await openDescriptor(Number(named));
    if (transport) return { transport, path: null };
  }
  if (named === null) {
    const transport = await openDescriptor(AGENT_DESCRIPTOR);
    if (transport) return { transport, path: null };
  }
  const fallback = path ?? DEFAULT_SOCKET;
  return { transport: await connectTo(fallback), path: fallback };
}

/**
 * Connects to a kernel's socket.
 *
 * @throws {ConnectionError} When nobody listens there, or this program may not connect.
 */
export async function connectTo(path: string): Promise<Transport> {
  try {
    return await connectUnix(path);
  } catch (cause) {
    throw new ConnectionError(`Cannot connect to "${path}": ${reason(cause)}`, { cause });
  }
}

function reason(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return 'nothing is there, start a kernel with "clove kernel"';
  if (cause instanceof Deno.errors.ConnectionRefused) {
    return 'no kernel listens there any more, start one with "clove kernel"';
  }
  if (cause instanceof Deno.errors.NotCapable) {
    return 'this program may not, run it as an agent with "clove run" or grant --allow-read, --allow-write and ' +
      "--allow-net for the socket";
  }
  return cause instanceof Error ? cause.message : String(cause);
}

function env(name: string): string | null {
  if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return null;
  return Deno.env.get(name) || null;
}

/** Without this, Deno would ask a person at the terminal, in the middle of an agent's work. */
function mayConnect(path: string): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted" &&
    Deno.permissions.querySync({ name: "write", path }).state === "granted";
}
