/**
 * The kernel's run directory: agents' private directories and sockets. Removed at the end; what a killed kernel left
 * is removed by the next one.
 *
 * @module
 */
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "./log.ts";

/** A directory of mode 0700 that belongs to one kernel. */
export interface RunDir {
  readonly path: string;
  remove(): void;
}

const PREFIX = "clove-run-";
const OWNER_FILE = "kernel.pid";

/** Makes a new one, and clears away those of kernels that are gone. */
export function makeRunDir(log: Log): RunDir {
  sweep(log);
  const path = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(path, OWNER_FILE), `${Deno.pid} ${startOf(Deno.pid)} ${numbering()}`, { mode: 0o600 });
  return { path, remove: () => removeTree(path, log) };
}

function sweep(log: Log): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(tmpdir(), name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    // Anybody can make a directory of this name there: only our own count.
    if (!found?.isDirectory() || (Deno.uid() !== null && found.uid !== Deno.uid())) continue;
    if (ownerIsAlive(join(path, OWNER_FILE))) continue;
    log.info("removing the run directory of a kernel that is gone", { path });
    removeTree(path, log);
  }
}

function ownerIsAlive(file: string): boolean {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // No owner yet: it may be in the making, so leave it a minute.
    const made = lstatSync(join(file, ".."), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return Date.now() - made < 60_000;
  }
  const [pid, start, where = ""] = text.split(" ");
  // A kernel in another container may share this directory: by its number nobody here can tell whether it lives.
  if (where !== numbering()) return true;
  // The start time tells a later process of the same number from the one that wrote it.
  return startOf(Number(pid)) === start;
}

/** Which namespace gives processes their numbers here; empty where there are none. See pid_namespaces(7). */
function numbering(): string {
  if (Deno.build.os !== "linux") return "";
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    // Deno hides /proc from a kernel that may not do everything; startOf() finds nothing there either.
    return "";
  }
}

/** When a process started, in the machine's ticks; empty when there is no such process. */
function startOf(pid: number): string {
  if (Deno.build.os !== "linux") return isAlive(pid) ? "alive" : "";
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
}

function removeTree(path: string, log: Log): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (cause) {
    log.warn("a run directory could not be removed", { path, cause: String(cause) });
  }
}
