/**
 * The home of whoever runs the kernel: what `~` in a rule means, and whose keys and credentials the default blocks
 * cover besides those of the usual homes. One value for all policies that this kernel makes.
 *
 * @module
 */
import { homedir } from "node:os";

/** An absolute path; undefined where the machine knows none. */
export const HOME: string | undefined = absolute(homedir());

function absolute(path: string): string | undefined {
  return path.startsWith("/") && path !== "/" ? path : undefined;
}
