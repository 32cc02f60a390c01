/**
 * Bounds what agents keep on the disk of the kernel's run directory: their private work, temporary and cache
 * directories. No file system counts by directory without preparation, so this does, every few seconds; between two
 * counts the largest size of one file (RLIMIT_FSIZE) is what holds.
 *
 * `/tmp` is among the directories, and no tmpfs, since the kernel's own file calls have to find there what the agent put.
 *
 * @module
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../worlds/clock.ts";
import type { Log } from "../log.ts";
import type { Pressure } from "./launch.ts";

/** Between two rounds, at least. */
const ROUND_MS = 5000;
/** A round that took long is followed by a pause so many times as long: counting takes at most 2 % of the time. */
const PAUSE = 50;
/** Part of the limit from which on it is worth a word. */
const NEAR = 0.9;
/** What an entry of a directory counts at least: an inode takes room on any file system. */
const ENTRY_BYTES = 4096;
/** `st_blocks` counts in these. */
const BLOCK_BYTES = 512;
/** Files looked at together. */
const BATCH = 64;

/**
 * Bytes on the disk below some directories. Stops counting beyond `most`: a tree of endless files is told in time.
 * Symbolic links are not followed; what vanishes meanwhile counts nothing.
 */
export async function usedBytes(directories: readonly string[], most: number): Promise<number> {
  const open = [...directories];
  let used = 0;
  for (let directory = open.pop(); directory !== undefined && used <= most; directory = open.pop()) {
    const entries = await unlessGone(readdir(directory, { withFileTypes: true })) ?? [];
    for (let at = 0; at < entries.length && used <= most; at += BATCH) {
      const sizes = entries.slice(at, at + BATCH).map(async (entry) => {
        const path = join(directory, entry.name);
        if (entry.isDirectory()) open.push(path);
        const blocks = (await unlessGone(lstat(path)))?.blocks ?? 0;
        return Math.max(ENTRY_BYTES, blocks * BLOCK_BYTES);
      });
      for (const size of await Promise.all(sizes)) used += size;
    }
  }
  return used;
}

async function unlessGone<T>(wanted: Promise<T>): Promise<T | null> {
  try {
    return await wanted;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    // An agent may also make its directory unreadable to an ordinary user's kernel, which is the same user's loss.
    if (["ENOENT", "ENOTDIR", "EACCES", "ELOOP"].includes(code)) return null;
    throw error;
  }
}

/** One whose directories are counted. */
export interface DiskUser {
  readonly id: number;
  /** Bytes; null is no limit. */
  readonly limit: number | null;
  /** Counts, up to a bound. */
  used(most: number): Promise<number>;
  /** Hears that it comes near its limit. */
  warn(warning: Pressure): void;
  /** Hears that it is beyond; told once. */
  exceeded(warning: Pressure): void;
}

/** Counts in rounds, as long as there is somebody to count. */
export class DiskWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #users = new Map<number, DiskUser>();
  /** Those that were warned and are still near their limit. */
  readonly #warned = new Set<number>();
  #cancel: (() => void) | null = null;
  #counting = false;

  /** Waits for somebody. */
  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Counts one from now on. */
  add(user: DiskUser): void {
    this.#users.set(user.id, user);
    this.#schedule(ROUND_MS);
  }

  /** Counts it no more. */
  remove(id: number): void {
    this.#users.delete(id);
    this.#warned.delete(id);
    if (this.#users.size > 0) return;
    this.#cancel?.();
    this.#cancel = null;
  }

  #schedule(ms: number): void {
    if (this.#cancel || this.#counting || this.#users.size === 0) return;
    this.#cancel = this.#clock.timer(ms, () => {
      this.#cancel = null;
      this.#counting = true;
      const began = this.#clock.monotonic();
      this.#round().catch((cause) => this.#log.error("agents' disk usage could not be counted", { cause }))
        .finally(() => {
          this.#counting = false;
          this.#schedule(Math.max(ROUND_MS, PAUSE * (this.#clock.monotonic() - began)));
        });
    });
  }

  async #round(): Promise<void> {
    for (const user of [...this.#users.values()]) {
      const { id, limit } = user;
      if (limit === null || !this.#users.has(id)) continue;
      const used = await user.used(limit);
      if (this.#users.get(id) !== user) continue; // ended meanwhile
      if (used <= NEAR * limit) {
        this.#warned.delete(id);
        continue;
      }
      const percent = Math.min(100, Math.round((100 * used) / limit));
      const warning = { resource: "disk" as const, used, limit, percent };
      if (used > limit) {
        this.remove(id);
        user.exceeded({ ...warning, detail: "the disk limit was exceeded" });
      } else if (!this.#warned.has(id)) {
        this.#warned.add(id);
        user.warn({ ...warning, detail: `its files are at ${percent}% of the disk limit` });
      }
    }
  }
}
