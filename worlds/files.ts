/**
 * Files on behalf of somebody who sees only a part of the machine.
 *
 * @module
 */
import type { Stats } from "node:fs";
import type { View } from "./view.ts";

export { FileError, type FileErrorCode } from "./file_error.ts";
export { HostFiles } from "./host_files.ts";
export { insidePath, type View, type ViewMount } from "./view.ts";

/**
 * Asked before anything is done to a path, with the path as it is seen inside: first as it was given (so that a refusal
 * says nothing about what exists), then with every link resolved. Throws to refuse.
 */
export type Check = (access: "read" | "write", inside: string) => void;

/** What is to be done, for whom. */
export interface Target {
  readonly view: View;
  /** Relative paths begin at the view's working directory. */
  readonly path: string;
  readonly check: Check;
}

/** What kind of thing a name leads to. */
export type FileType = "file" | "directory" | "symlink" | "other";

/** What is known of a file. */
export interface FileStat {
  /** As seen inside, every link resolved. */
  readonly path: string;
  readonly type: FileType;
  /** Bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Names that lead to it. */
  readonly links: number;
  /** Epoch milliseconds of the last change of its contents. */
  readonly modified: number;
}

/** One name of a directory. */
export interface FileEntry {
  readonly name: string;
  readonly type: FileType;
}

/** File access. Every method throws {@link FileError}, or what `check` throws. */
export interface Files {
  /** A whole regular file, refused when it is longer than `maxBytes`. */
  read(
    target: Target,
    options: { maxBytes: number },
  ): Promise<{ bytes: Uint8Array<ArrayBuffer>; path: string }>;
  /**
   * `replace`: the file is the new one from one instant to the next, or still the old one; mode and owner stay.
   * `append`: to the end of the file that is there. Both make the file when it is missing, but no directories.
   */
  write(
    target: Target,
    bytes: Uint8Array,
    options: { mode: "replace" | "append" },
  ): Promise<{ path: string; created: boolean }>;
  /** Of what a link leads to, or with `follow: false` of the link itself. */
  stat(target: Target, options: { follow: boolean }): Promise<FileStat>;
  /** The names in a directory, sorted; which ones are left out when there are more than `limit` is not said. */
  list(target: Target, options: { limit: number }): Promise<{
    path: string;
    entries: FileEntry[];
    truncated: boolean;
  }>;
  /** Makes a directory, with `recursive` also those above it, and then it may exist. */
  mkdir(target: Target, options: { recursive: boolean }): Promise<{ path: string; created: boolean }>;
  /** Removes a file, a link (not what it leads to) or an empty directory; with `recursive` what is below, up to `limit`. */
  remove(
    target: Target,
    options: { recursive: boolean; limit: number },
  ): Promise<{ path: string; removed: number }>;
  /** Gives a file or directory another name, in the place of what had that name before. */
  rename(from: Target, to: Target, options: { limit: number }): Promise<{ from: string; to: string }>;
}

/** The type of a thing. */
export function typeOf(
  stats: Pick<Stats, "isFile" | "isDirectory" | "isSymbolicLink">,
): FileType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "other";
}
