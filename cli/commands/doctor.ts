import type { Command } from "../command.ts";
import { reachOrStart } from "../connection.ts";
import { STATUS } from "../exit.ts";
import { bold, green, print, printJson, red } from "../terminal.ts";
import { printable } from "../text.ts";

/** `clove doctor`: which walls there are. */
export const doctor: Command = {
  help: `Tell which walls this machine can put around an agent, what blocks the others, and what to do.

Usage: clove doctor [--json]

  --json   print the kernel's answer as JSON
  --help   print this

It asks the kernel that answers; without one, a private one.
`,
  async run(invocation) {
    const { values } = invocation.options({ json: { type: "boolean" } }, {
      min: 0,
      max: 0,
      words: "nothing",
    });
    await using reached = await reachOrStart(invocation.socket);
    const answer = await reached.clove.sys.doctor({});
    if (values.json) await printJson(answer);
    else await print(text(answer));
    return STATUS.ok;
  },
};

function text({ launcher, walls }: Awaited<ReturnType<import("@clove/sdk").Clove["sys"]["doctor"]>>): string {
  const width = Math.max(...walls.map(({ wall }) => wall.length));
  const lines = walls.map(({ wall, available, detail, remedy }) => {
    const mark = available ? green("yes") : red("no ");
    const advice = remedy === "" ? "" : `\n${" ".repeat(width + 7)}${printable(remedy)}`;
    return `${wall.padEnd(width)}  ${mark}  ${printable(detail)}${advice}\n`;
  });
  return `${bold("agents run in")}: ${printable(launcher)}\n\n${lines.join("")}`;
}
