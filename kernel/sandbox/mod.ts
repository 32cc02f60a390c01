/**
 * Agents behind the walls of Linux: namespaces, seccomp, Landlock, capabilities, cgroups.
 *
 * @module
 */
import type { Launcher } from "../agents/launch.ts";
import { SandboxLauncher, type SandboxOptions } from "./launcher.ts";

export { listenInside } from "./netns.ts";
export type { SandboxOptions } from "./launcher.ts";

/**
 * Makes the launcher of sandboxes. It finds out what the machine offers with the first launch or probe.
 *
 * @throws {Error} When libc cannot be opened, or the run directory cannot be used.
 */
export function createSandboxLauncher(options: SandboxOptions): Launcher {
  return new SandboxLauncher(options);
}
