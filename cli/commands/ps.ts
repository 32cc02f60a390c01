import type { AgentListResult } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS } from "../exit.ts";
import { table } from "../table.ts";
import { print, printJson } from "../terminal.ts";
import { showBytes, showSeconds } from "../units.ts";
import { WALL_COUNT } from "../walls.ts";

type Listed = AgentListResult[number];

const HEADING = ["ID", "NAME", "STATE", "PID", "UPTIME", "CPU", "MEMORY", "LEVEL", "WALLS"];
const NUMBERS = [0, 3, 4, 5, 6];

/** `clove ps`: who there is. */
export const ps: Command = {
  help: `List agents.

Usage: clove ps [-a] [--json]

  -a, --all   those that have ended too, and how
  --json      print the kernel's list as JSON, on one line
  --help      print this

WALLS tells what stands around an agent: "all", "none", or those that are missing.
`,
  async run(invocation) {
    const { values } = invocation.options(
      { all: { type: "boolean", short: "a" }, json: { type: "boolean" } },
      { min: 0, max: 0, words: "nothing" },
    );
    await using clove = await reachKernel(invocation.socket);
    const agents = await clove.agent.list({ all: values.all ?? false });
    if (values.json) await printJson(agents);
    else if (values.all) {
      await print(table([...HEADING, "END"], agents.map((agent) => [...row(agent), endOf(agent)]), NUMBERS));
    } else await print(table(HEADING, agents.map(row), NUMBERS));
    return STATUS.ok;
  },
};

function row(agent: Listed): string[] {
  const lives = agent.pid > 0;
  return [
    String(agent.id),
    agent.name,
    agent.state,
    lives ? String(agent.pid) : "-",
    lives ? showSeconds(agent.uptime) : "-",
    agent.cpu == null ? "-" : `${agent.cpu.toFixed(1)}%`,
    agent.memory == null ? "-" : showBytes(agent.memory),
    agent.level ?? (agent.level === null ? "custom" : "-"),
    wallsOf(agent),
  ];
}

function wallsOf({ missing }: Listed): string {
  if (!missing) return "-";
  if (missing.length === 0) return "all";
  return missing.length === WALL_COUNT ? "none" : `no ${missing.join(",")}`;
}

function endOf({ exit, state }: Listed): string {
  return exit && (state === "stopped" || state === "crashed") ? exit.cause : "-";
}
