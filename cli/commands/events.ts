import type { EventSubscribePart } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS } from "../exit.ts";
import { jsonText, print, printJson, say } from "../terminal.ts";
import { printable } from "../text.ts";
import { parseNumber } from "../units.ts";

/** As a record, so that the compiler notices a type that is missing here. */
const TYPES: Readonly<Record<EventSubscribePart["type"], true>> = {
  AGENT_SPAWNED: true,
  AGENT_EXITED: true,
  AGENT_PAUSED: true,
  AGENT_RESUMED: true,
  AGENT_RESTARTING: true,
  AGENT_ESCALATED: true,
  MESSAGE_RECEIVED: true,
  STATE_CHANGED: true,
  SYSCALL_BLOCKED: true,
  RESOURCE_WARNING: true,
  APPROVAL_REQUESTED: true,
  APPROVAL_CLOSED: true,
  CUSTOM: true,
};
const ALL = Object.keys(TYPES);

/** `clove events`: what happens, as it happens. */
export const events: Command = {
  help: `Show events as they happen.

Usage: clove events [-n COUNT] [--json] [TYPE]...

  -n, --count COUNT   leave after so many
  --json              one event a line, as JSON
  --help              print this

Without TYPE all of them: ${ALL.slice(0, 3).join(" ")}
${ALL.slice(3, 7).join(" ")}
${ALL.slice(7, 11).join(" ")}
${ALL.slice(11).join(" ")} (what agents emit).
A line is: time, type, who caused it (0 is the kernel), data.
`,
  async run(invocation) {
    const { values, plain } = invocation.options(
      { count: { type: "string", short: "n" }, json: { type: "boolean" } },
      { min: 0, max: 100, words: "TYPE" },
    );
    const most = values.count === undefined ? Infinity : parseNumber("--count", values.count, true);
    await using clove = await reachKernel(invocation.socket);
    let count = 0;
    for await (const event of clove.events(plain.length > 0 ? plain : ALL)) {
      if (event.dropped) say(`${event.dropped} events are lost: they came faster than they were read`);
      if (values.json) await printJson(event);
      else await print(line(event));
      if (++count >= most) break;
    }
    return STATUS.ok;
  },
};

function line({ timestamp, type, event_type, data, source_agent_id }: EventSubscribePart): string {
  const time = new Date(timestamp * 1000).toISOString();
  const name = type === "CUSTOM" ? `CUSTOM ${printable(event_type)}` : type;
  return `${time}  ${name.padEnd(16)}  ${source_agent_id}  ${jsonText(data)}\n`;
}
