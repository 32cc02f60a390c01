/**
 * Starts a program with a socket on descriptor 3 and a {@link TestKernel} at its other end.
 *
 * @module
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { TestKernel } from "./kernel.ts";

/** What a finished child left. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Joins the kernel's end of its memory transport with a socket. */
export function serve(kernel: TestKernel, socket: Socket): void {
  socket.on("data", (chunk: Uint8Array) => void kernel.transport.write(new Uint8Array(chunk)));
  socket.on("error", () => kernel.end());
  socket.on("close", () => kernel.end());
  (async () => {
    for (let chunk = await kernel.transport.read(); chunk; chunk = await kernel.transport.read()) {
      socket.write(chunk);
    }
    socket.end();
  })();
}

/** Runs Deno with these arguments, descriptor 3 being the kernel's. */
export async function runChild(
  args: readonly string[],
  options: { kernel?: TestKernel; env?: Record<string, string> } = {},
): Promise<Finished> {
  const { kernel, env = {} } = options;
  // Where Deno's spawn sees the path of Deno in its arguments, it adds -A to a command without permissions.
  const child = spawn("sh", ["-c", 'exec "$DENO" "$@"', "sh", ...args], {
    stdio: kernel ? ["ignore", "pipe", "pipe", "pipe"] : ["ignore", "pipe", "pipe"],
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: Deno.env.get("HOME") ?? "",
      NO_COLOR: "1",
      DENO: Deno.execPath(),
      ...env,
    },
  });
  if (kernel) serve(kernel, child.stdio[3] as Socket);
  let stdout = "";
  let stderr = "";
  child.stdout!.on("data", (chunk) => stdout += chunk);
  child.stderr!.on("data", (chunk) => stderr += chunk);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout, stderr };
}
