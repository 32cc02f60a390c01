import { type ExecRunResult, SyscallError } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { CliError, STATUS, UsageError } from "../exit.ts";
import { see, splitProgram } from "../options.ts";
import { print, printError, say } from "../terminal.ts";
import { printable } from "../text.ts";
import { parseSeconds } from "../units.ts";

const OPTIONS = {
  cwd: { type: "string" },
  timeout: { type: "string" },
  input: { type: "boolean", short: "i" },
} as const;

/** What timeout(1) ends with. */
const TIMED_OUT = 124;
/** The kernel takes input as a part of the request. */
const INPUT_BYTES = 512 * 1024;

/** `clove exec`: a command that the kernel runs. */
export const exec: Command = {
  runsProgram: true,
  help: `Run a command through the kernel, as EXEC does for agents. There is no shell in between.

Usage: clove exec [OPTION]... -- ARGV...

  --cwd DIR        run it there
  --timeout TIME   end it after this time, such as 500ms or 5m   [30s]
  -i, --input      hand standard input to it, up to 512 KiB
  --help           print this

Its output is printed when it has ended. Exit status: the command's; 124 when its time was
up; 128 and the signal's number when a signal ended it; 125, 126 and 127 as for "clove run".
`,
  async run(invocation) {
    const split = splitProgram(invocation.args, { ...OPTIONS, socket: { type: "string" } });
    const { values } = invocation.options(OPTIONS, { min: 0, max: 0, words: "nothing" }, split.own);
    if (split.program.length === 0) {
      throw new UsageError(`Cannot exec: name a program after "--", ${see("exec")}`);
    }
    const timeout = values.timeout === undefined
      ? {}
      : { timeout: parseSeconds("--timeout", values.timeout) };
    const cwd = values.cwd === undefined ? {} : { cwd: (await import("node:path")).resolve(values.cwd) };
    const input = values.input ? { input: await readInput() } : {};
    await using clove = await reachKernel(invocation.socket);
    const outcome = await outcomeOf(
      clove.exec.run({ argv: split.program, ...timeout, ...cwd, ...input, base64: true, async: false }),
    );
    await print(Uint8Array.fromBase64(outcome.stdout_base64 ?? ""));
    await printError(Uint8Array.fromBase64(outcome.stderr_base64 ?? ""));
    for (const stream of ["stdout", "stderr"] as const) {
      if (outcome[`${stream}_truncated`]) say(`${stream} was longer than the kernel keeps; the rest is lost`);
    }
    return await statusOf(outcome);
  },
};

/** A command that was ended is an error for programs; for a person it is a status, and what it wrote until then. */
async function outcomeOf(call: Promise<ExecRunResult>): Promise<ExecRunResult> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const outcome = error.details as Partial<ExecRunResult>;
    if (outcome.signal === undefined && !outcome.timed_out) throw error;
    if (outcome.timed_out) say(printable(error.message));
    return outcome as ExecRunResult;
  }
}

async function statusOf({ exit_code = STATUS.clove, signal, timed_out }: ExecRunResult): Promise<number> {
  if (timed_out) return TIMED_OUT;
  if (signal === undefined) return exit_code;
  const { constants } = await import("node:os");
  return STATUS.signal + (constants.signals[signal as keyof typeof constants.signals] ?? 0);
}

async function readInput(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of Deno.stdin.readable) {
    bytes += chunk.byteLength;
    if (bytes > INPUT_BYTES) {
      throw new CliError(
        STATUS.failed,
        `Cannot exec: the input is longer than ${INPUT_BYTES} bytes, use "clove run"`,
      );
    }
    chunks.push(chunk);
  }
  return await new Blob(chunks as BlobPart[]).text();
}
