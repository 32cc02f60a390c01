/**
 * The key of the secrets: a file beside the database, for its owner alone.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import { KEY_BYTES } from "./seal.ts";

/**
 * Reads the key; null when there is none.
 *
 * @throws {SyscallError} `unavailable` when others could read it, or it is no key.
 */
export function readKey(path: string): Uint8Array | null {
  let bytes: Uint8Array;
  try {
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      throw unusable(path, `others than its owner have rights to it, chmod 600 it and change the secrets`);
    }
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  if (bytes.length !== KEY_BYTES) {
    throw unusable(path, `it has ${bytes.length} bytes instead of ${KEY_BYTES}`);
  }
  return bytes;
}

/** Writes a new key, durably; fails when one is there. */
export function writeKey(path: string, key: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  for (let at = 0; at < key.length;) at += file.writeSync(key.subarray(at));
  file.syncSync();
}

function unusable(path: string, why: string): SyscallError {
  return new SyscallError("unavailable", `Cannot use the key of the secrets, "${path}": ${why}`);
}
