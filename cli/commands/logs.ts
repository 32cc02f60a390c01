import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS } from "../exit.ts";
import { isTerminal, print, printError, say } from "../terminal.ts";
import { targetOf } from "../target.ts";
import { printableLines } from "../text.ts";
import { parseBytes } from "../units.ts";

const encoder = new TextEncoder();

/** `clove logs`: what an agent wrote. */
export const logs: Command = {
  help: `Show what an agent wrote, also after its end.

Usage: clove logs [-f] [--tail SIZE] NAME|ID

  -f, --follow    go on until the agent has ended
  --tail SIZE     only the last bytes of it, such as 4K
  --help          print this

What it wrote to stdout goes to standard output, the rest to standard error; each exactly
as it was, except on a terminal, which shows control characters instead of obeying them.
`,
  async run(invocation) {
    const { values, plain } = invocation.options(
      { follow: { type: "boolean", short: "f" }, tail: { type: "string" } },
      { min: 1, max: 1, words: "NAME or ID" },
    );
    const tail = values.tail === undefined ? {} : { tail_bytes: parseBytes("--tail", values.tail) };
    await using clove = await reachKernel(invocation.socket);
    const output = clove.agent.output({
      ...targetOf(plain[0]!),
      ...tail,
      follow: values.follow ?? false,
      raw: true,
    });
    const shown = { stdout: writer(isTerminal()), stderr: writer(Deno.stderr.isTerminal()) };
    for await (const part of output) {
      if (part.lost) say(`${part.lost} pieces of output are lost: newer ones took their place`);
      const bytes = shown[part.stream]((part as typeof part & { tail: Uint8Array }).tail);
      await (part.stream === "stderr" ? printError(bytes) : print(bytes));
    }
    await output.result;
    return STATUS.ok;
  },
};

/** Pieces are not cut inside a character, so each can be made safe on its own. */
function writer(terminal: boolean): (bytes: Uint8Array) => Uint8Array {
  if (!terminal) return (bytes) => bytes;
  const decoder = new TextDecoder();
  return (bytes) => encoder.encode(printableLines(decoder.decode(bytes)));
}
