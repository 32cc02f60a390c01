/**
 * Where the socket of a private kernel lies: a directory of mode 0700 that goes with the command. What a killed command
 * left behind is removed by the next one.
 *
 * @module
 */
import { join } from "node:path";
import { tmpdir } from "node:os";

const PREFIX = "clove-cli-";
/** A directory so young may belong to a command that has not yet started its kernel. */
const YOUNG_MS = 60_000;

/** The place of one private kernel. */
export interface PrivatePlace {
  readonly socket: string;
  remove(): Promise<void>;
}

/** Makes a place, and clears away those that nobody uses any more. */
export async function makePrivatePlace(): Promise<PrivatePlace> {
  await sweep();
  const directory = await Deno.makeTempDir({ prefix: PREFIX });
  return { socket: socketIn(directory), remove: () => removeTree(directory) };
}

function socketIn(directory: string): string {
  return join(directory, "clove.sock");
}

async function sweep(): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(tmpdir())) {
    if (!isDirectory || !name.startsWith(PREFIX)) continue;
    const directory = join(tmpdir(), name);
    if (await isOurs(directory) && !await answers(socketIn(directory))) await removeTree(directory);
  }
}

/** Anybody can make a directory of this name there. */
async function isOurs(directory: string): Promise<boolean> {
  try {
    const { uid, mtime, isDirectory } = await Deno.lstat(directory);
    return isDirectory && (Deno.build.os === "windows" || uid === Deno.uid()) &&
      Date.now() - (mtime?.getTime() ?? 0) > YOUNG_MS;
  } catch (error) {
    // Its command has just removed it.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function answers(socket: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: socket })).close();
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound);
  }
}

async function removeTree(directory: string): Promise<void> {
  try {
    await Deno.remove(directory, { recursive: true });
  } catch (error) {
    // Two commands may clear away the same one.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
