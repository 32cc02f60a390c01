/**
 * A Unix socket of the kernel: probed before it is taken over, private to its owner, removed at the end.
 *
 * @module
 */
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync, statSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";

/** A listening socket. */
export interface SocketServer {
  readonly path: string;
  /** Stops accepting and removes the file. Open connections stay. */
  close(): Promise<void>;
}

/** The socket cannot be used. */
export class SocketInUseError extends Error {
  /** Says who holds the path. */
  constructor(message: string) {
    super(message);
    this.name = "SocketInUseError";
  }
}

/** sun_path of Linux, less the final zero; other servers cut longer names silently. */
const PATH_BYTES = 107;

/**
 * Listens on a path with mode 0600.
 *
 * @param onConnection Called for each connection; half-closed peers still get their answers.
 * @param backlog Connections that wait to be accepted; further ones make whoever connects wait.
 * @throws {SocketInUseError} When someone answers there, or the path is no socket.
 */
export async function listenUnix(
  path: string,
  onConnection: (socket: Socket) => void,
  backlog: number = 511,
): Promise<SocketServer> {
  refuseLong(path, path);
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const fresh = `.${crypto.randomUUID().slice(0, 6)}`;
  // Until the socket is private a directory has to hide it. The file mode mask would do so too, but it is the whole
  // process's, and what other threads make in that moment would suffer from it.
  const cradle = isPrivate(directory) ? null : join(directory, fresh);
  const bound = cradle === null ? join(directory, fresh) : join(cradle, "s");
  refuseLong(bound, path);
  await clearStale(path);
  const server = createServer({ allowHalfOpen: true }, onConnection);
  // Bound under another name and then renamed: it appears private and ready, and the runtime, which removes the name
  // it bound when the server closes, cannot remove what somebody else has put there since.
  if (cradle !== null) mkdirSync(cradle, { mode: 0o700 });
  try {
    await listening(server, { path: bound, backlog }, path);
    chmodSync(bound, 0o600);
    renameSync(bound, path);
  } finally {
    if (cradle !== null) rmSync(cradle, { recursive: true, force: true });
  }
  const own = identity(path);
  return {
    path,
    close() {
      if (identity(path) === own) unlinkSync(path);
      // Connections that are open are closed by whoever serves them; the server only stops taking new ones.
      server.close();
      server.unref();
      return Promise.resolve();
    },
  };
}

function refuseLong(name: string, path: string): void {
  const bytes = new TextEncoder().encode(name).byteLength;
  if (bytes <= PATH_BYTES) return;
  throw new RangeError(
    `Cannot listen on "${path}": ${bytes} bytes, a socket path has at most ${PATH_BYTES}`,
  );
}

/** Whether a directory is this user's, and nobody else can look into it. */
function isPrivate(directory: string): boolean {
  if (Deno.build.os === "windows") return false;
  const { mode, uid } = statSync(directory);
  return uid === Deno.uid() && (mode & 0o077) === 0;
}

function listening(
  server: Server,
  place: { readonly path: string; readonly backlog: number },
  path: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: Error & { code?: string }) => {
      reject(new Error(`Cannot listen on "${path}": ${cause.code ?? cause.message}`, { cause }));
    });
    server.listen(place, resolve);
  });
}

async function clearStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) {
    throw new SocketInUseError(
      `Cannot listen on "${path}": there is a file that is no socket, move it or choose --socket`,
    );
  }
  if (await answers(path)) {
    throw new SocketInUseError(
      `Cannot listen on "${path}": a kernel answers there, stop it or choose another --socket`,
    );
  }
  unlinkSync(path);
}

/** True when somebody accepts connections on the path. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: Error & { code?: string }) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else if (error.code === "EACCES") resolve(true);
      else {reject(
          new Error(`Cannot tell whether a kernel answers on "${path}": ${error.code}`, { cause: error }),
        );}
    });
  });
}

function identity(path: string): string | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}` : null;
}
