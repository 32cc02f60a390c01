/**
 * What can go wrong with a file, in the words that an agent gets to read.
 *
 * @module
 */

/** What a program can switch on. The same words as on the wire. */
export type FileErrorCode =
  | "bad_request"
  | "denied"
  | "not_found"
  | "conflict"
  | "limit"
  | "unavailable"
  | "unsupported";

/** A file operation that did not happen. The message is a sentence with inside paths only. */
export class FileError extends Error {
  readonly code: FileErrorCode;

  /** The message says what was tried, on what, and why it failed. */
  constructor(code: FileErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "FileError";
    this.code = code;
  }
}

/** errno -> the word and the reason. */
const REASONS: Readonly<Record<string, readonly [FileErrorCode, string]>> = {
  ENOENT: ["not_found", "there is no such file or directory"],
  ENOTDIR: ["not_found", "a part of the path is no directory"],
  ELOOP: ["not_found", "too many symbolic links on the way"],
  EACCES: ["denied", "the operating system does not allow it"],
  EPERM: ["denied", "the operating system does not allow it"],
  EROFS: ["denied", "its file system is read-only"],
  EEXIST: ["conflict", "it exists already"],
  ENOTEMPTY: ["conflict", "the directory is not empty, say recursive"],
  EISDIR: ["conflict", "it is a directory"],
  EBUSY: ["conflict", "it is in use"],
  ETXTBSY: ["conflict", "it is a program that runs"],
  EINVAL: ["bad_request", "the operating system calls it invalid"],
  ENAMETOOLONG: ["bad_request", "a name is too long"],
  EXDEV: ["unsupported", "it would leave its file system, copy it instead"],
  ENOSPC: ["unavailable", "the disk is full"],
  EDQUOT: ["unavailable", "the disk quota is used up"],
  EFBIG: ["limit", "the file would be larger than its file system allows"],
  EMFILE: ["unavailable", "the kernel has no free file descriptor, try again"],
  ENFILE: ["unavailable", "the machine has no free file descriptor, try again"],
  EIO: ["unavailable", "the disk reports an error"],
  EAGAIN: ["unavailable", "it would block"],
};

/**
 * Puts an error of the operating system into our words. The system's own message names host paths and descriptors,
 * which are nobody's business. Anything else is returned as it is.
 *
 * @param act Such as `read`.
 */
export function explain(error: unknown, act: string, inside: string): unknown {
  if (error instanceof FileError) return error;
  const errno = (error as { code?: unknown }).code;
  if (typeof errno !== "string" || !/^E[A-Z0-9]+$/.test(errno)) return error;
  const [code, reason] = REASONS[errno] ?? ["unavailable", `the operating system says ${errno}`];
  return new FileError(code, `Cannot ${act} "${inside}": ${reason}`, { cause: error });
}
