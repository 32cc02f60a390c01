import type { AgentOutputParams } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { LineCutter } from "../lines.ts";
import type { Values } from "../options.ts";
import { parsePattern } from "../pattern.ts";
import { isTerminal, print, printError, say } from "../terminal.ts";
import { targetOf } from "../target.ts";
import { printableLines } from "../text.ts";
import { parseTime } from "../time.ts";
import { parseBytes } from "../units.ts";

const OPTIONS = {
  follow: { type: "boolean", short: "f" },
  tail: { type: "string" },
  since: { type: "string" },
  grep: { type: "string" },
  stdout: { type: "boolean" },
  stderr: { type: "boolean" },
  time: { type: "boolean" },
  earlier: { type: "boolean" },
} as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `clove logs`: what an agent wrote. */
export const logs: Command = {
  help: `Show what an agent wrote, also after its end, and after its kernel's.

Usage: clove logs [-f] [OPTION]... NAME|ID

  -f, --follow     go on until the agent has ended
  --tail SIZE      only the last bytes of it, such as 4K
  --since TIME     only from then on: 10m (ago), or a time such as 2026-02-11T10:15:30Z
  --grep PATTERN   only lines that hold this text; /…/ is a regular expression, and /…/i one
                   that takes either case
  --stdout         only what it wrote to stdout
  --stderr         only what it wrote to stderr
  --time           each line with the time at which it was read
  --earlier        first what earlier agents of this name wrote
  --help           print this

What it wrote to stdout goes to standard output, the rest to standard error; each exactly
as it was, except on a terminal, which shows control characters instead of obeying them.
A kernel with a data directory keeps the last 3 to 4 MiB of each name there.
`,
  async run(invocation) {
    const { values, plain } = invocation.options(OPTIONS, { min: 1, max: 1, words: "NAME or ID" });
    const shows = filterOf(values);
    const beginning = beginningOf(values);
    await using clove = await reachKernel(invocation.socket);
    const output = clove.agent.output({ ...targetOf(plain[0]!), ...beginning, raw: true });
    const sinks = { stdout: shows(print, isTerminal()), stderr: shows(printError, Deno.stderr.isTerminal()) };
    const wanted = values.stdout || values.stderr
      ? { stdout: values.stdout ?? false, stderr: values.stderr ?? false }
      : { stdout: true, stderr: true };
    for await (const part of output) {
      if (part.lost) say(`${part.lost} pieces of output are lost: newer ones took their place`);
      if (!wanted[part.stream]) continue;
      await sinks[part.stream].add((part as typeof part & { tail: Uint8Array }).tail, part.time);
    }
    for (const stream of ["stdout", "stderr"] as const) await sinks[stream].end();
    await output.result;
    return STATUS.ok;
  },
};

function beginningOf({ follow, tail, since, earlier }: Values<typeof OPTIONS>): AgentOutputParams {
  return {
    follow: follow ?? false,
    ...(tail === undefined ? {} : { tail_bytes: parseBytes("--tail", tail) }),
    ...(since === undefined ? {} : { since_time: Math.max(0, parseTime("--since", since)) }),
    ...(earlier ? { earlier } : {}),
  };
}

/** Takes one stream's pieces. */
interface Sink {
  add(bytes: Uint8Array, time: number): Promise<void>;
  end(): Promise<void>;
}

/** How each stream is shown. */
function filterOf(
  { grep, time, tail, earlier }: Values<typeof OPTIONS>,
): (write: (bytes: Uint8Array) => Promise<void>, terminal: boolean) => Sink {
  if (tail !== undefined && earlier) throw new UsageError("Cannot use --tail with --earlier: choose one");
  const fits = grep === undefined ? null : parsePattern("--grep", grep);
  return (write, terminal) => {
    const show = terminal ? escaped : (bytes: Uint8Array) => bytes;
    if (!fits && !time) return { add: (bytes) => write(show(bytes)), end: () => Promise.resolve() };
    const cutter = new LineCutter();
    let last = 0;
    const line = async (bytes: Uint8Array): Promise<void> => {
      if (fits && !fits(decoder.decode(bytes).replace(/\r?\n$/, ""))) return;
      if (time) await write(encoder.encode(`${new Date(last).toISOString()} `));
      await write(show(bytes));
    };
    return {
      async add(bytes, at) {
        last = at;
        for (const one of cutter.push(bytes)) await line(one);
      },
      async end() {
        const rest = cutter.end();
        if (rest) await line(rest);
      },
    };
  };
}

/** Pieces are not cut inside a character, so each can be made safe on its own. */
function escaped(bytes: Uint8Array): Uint8Array {
  return encoder.encode(printableLines(decoder.decode(bytes)));
}
