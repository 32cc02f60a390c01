import { z } from "zod";
import { LIMITS } from "../../limits.ts";
import { accepted, deferrable } from "../../fields.ts";
import { checkEnvironment } from "../../agents/environment.ts";
import { defineSyscall } from "../../syscall.ts";

/** A command may run for an hour; whoever needs longer spawns an agent. */
const LONGEST_SECONDS = 3_600;

const decoder = new TextDecoder();

/** Runs a command. */
export const execRun = defineSyscall({
  name: "exec.run",
  wire: "EXEC",
  opcode: 0x02,
  since: "0.1.0",
  summary:
    "Runs a command to its end and returns what it wrote; without a shell unless one is asked for and allowed.",
  params: z.object({
    argv: z.array(z.string()).max(4096).optional().describe(
      "The program and its arguments, passed on as they are.",
    ),
    command: z.string().optional().describe(
      "One text, split into words as a shell would, without any expansion.",
    ),
    shell: z.boolean().optional().describe("Give `command` to /bin/sh; needs exec.shell."),
    cwd: z.string().optional().describe(
      "Directory to run in; needs fs.read there. Default: the caller's own.",
    ),
    timeout: z.number().positive().max(LONGEST_SECONDS).default(30).describe("Seconds, fractions allowed."),
    input: z.string().optional().describe("Written to standard input, which is then closed."),
    env: z.record(z.string(), z.string()).optional().describe("Further environment variables."),
    base64: z.boolean().optional().describe("Also give the exact bytes of both streams, base64."),
    ...deferrable,
  }),
  result: z.object({
    success: z.boolean().optional().describe("True when the exit code is 0."),
    stdout: z.string().optional().describe("As UTF-8; invalid bytes are replaced."),
    stderr: z.string().optional().describe("As UTF-8; invalid bytes are replaced."),
    exit_code: z.int().optional().describe("0-255; -1 when a signal or the time limit ended it."),
    signal: z.string().optional().describe("The signal that ended it, such as SIGKILL."),
    duration_ms: z.number().optional().describe("From start to end."),
    timed_out: z.boolean().optional().describe("True when it was ended because its time was up."),
    stdout_truncated: z.boolean().optional().describe(
      `True when there was more than ${LIMITS.execOutputBytes} bytes.`,
    ),
    stderr_truncated: z.boolean().optional().describe(
      `True when there was more than ${LIMITS.execOutputBytes} bytes.`,
    ),
    stdout_base64: z.string().optional().describe("With `base64`."),
    stderr_base64: z.string().optional().describe("With `base64`."),
    error: z.string().optional().describe("Why success is false, when the exit code alone does not tell."),
    code: z.string().optional().describe("The word for `error`."),
    ...accepted,
  }),
  // Which words it is made of is known only after splitting: the runner demands exec or exec.shell itself.
  record: ({ argv, command, cwd, shell, timeout }) => ({ argv, command, cwd, shell, timeout }),
  tool: true,
  failure: { stdout: "", stderr: "", exit_code: -1 },
  deadlineMs: 0,
  deferrable: true,
  async handle(ctx, params) {
    const { timeout, base64, argv, command, shell, cwd, input, env } = params;
    checkEnvironment(env ?? {}, "native");
    const request = { argv, command, shell, cwd, input, env, timeoutMs: timeout * 1000 };
    const outcome = await ctx.services.exec.run(request, {
      caller: ctx.caller,
      signal: ctx.signal,
      demand: (need) => ctx.demand(need),
    });
    return {
      success: outcome.exitCode === 0,
      stdout: decoder.decode(outcome.stdout),
      stderr: decoder.decode(outcome.stderr),
      exit_code: outcome.exitCode,
      duration_ms: outcome.durationMs,
      ...(outcome.signal === null || outcome.timedOut ? {} : {
        signal: outcome.signal,
        error: `The command was ended by ${outcome.signal}`,
      }),
      ...(outcome.timedOut
        ? {
          timed_out: true,
          error: `Cannot wait longer than ${timeout} s: the command was ended`,
          code: "timeout",
        }
        : {}),
      ...(outcome.stdoutTruncated ? { stdout_truncated: true } : {}),
      ...(outcome.stderrTruncated ? { stderr_truncated: true } : {}),
      ...(base64
        ? { stdout_base64: outcome.stdout.toBase64(), stderr_base64: outcome.stderr.toBase64() }
        : {}),
    };
  },
});
