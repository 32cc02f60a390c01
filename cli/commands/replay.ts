import { resolve } from "node:path";
import type { Clove, ReplayStartParams, ReplayStatusResult } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachOrStart } from "../connection.ts";
import { CliError, STATUS, UsageError } from "../exit.ts";
import { isTerminal, print, printError, printJson, say } from "../terminal.ts";
import { printable } from "../text.ts";
import { parseNumber } from "../units.ts";
import { showRecording, showSnapshot } from "./replay_show.ts";

const OPTIONS = {
  agent: { type: "string" },
  at: { type: "string" },
  patch: { type: "string", multiple: true },
  "continue-live-from": { type: "string" },
  env: { type: "string", multiple: true },
  json: { type: "boolean" },
} as const;

const HELP = `Run a recorded program again, offline, with every answer from its recording.

Usage: clove replay [OPTION]... FILE
       clove replay [--agent NAME|ID] --at N [--json] FILE
       clove replay --patch N ANSWER.json [OPTION]... FILE
       clove replay show [--agent NAME|ID] [--json] FILE

FILE was written by "clove run --record FILE". The program runs at its recorded path, confined
and without a network; it stops at the first call that is not the recorded one. Calls are
counted from 0.

  --agent NAME|ID           one of several recorded agents               [the first]
  --at N                    run nothing, show state, messages and files as they were before call N
  --patch N ANSWER.json     answer call N with the contents of this file, and go on
  --continue-live-from N    from call N on everything is real
  --env NAME=VALUE          a variable whose value the recording does not keep
  --json                    print the result as JSON; the program's output is not shown
  --help                    print this

Exit status: 0 when all calls were the recorded ones, 1 when the run diverged, 125 when Clove
failed; with --continue-live-from the program's.
`;

/** `clove replay`: a recorded run, again. */
export const replay: Command = {
  runsProgram: true,
  help: HELP,
  async run(invocation) {
    const show = invocation.args[0] === "show";
    const { args, patches } = readPatches(show ? invocation.args.slice(1) : invocation.args);
    const { values, plain } = invocation.options(OPTIONS, { min: 1, max: 1, words: "FILE" }, args);
    const path = resolve(plain[0]!);
    await using reached = await reachOrStart(invocation.socket);
    const { clove } = reached;
    const json = values.json ?? false;
    const agent = values.agent === undefined ? {} : { agent: values.agent };
    if (show) return await showRecording(clove, { path, ...agent }, json);
    if (values.at !== undefined) {
      return await showSnapshot(clove, { path, ...agent, at: parseNumber("--at", values.at, true) }, json);
    }
    const from = values["continue-live-from"];
    return await runAgain(clove, {
      path,
      ...agent,
      ...(patches.length > 0 ? { patches: await Promise.all(patches.map(readPatch)) } : {}),
      ...(from === undefined ? {} : { continue_live_from: parseNumber("--continue-live-from", from, true) }),
      ...(values.env ? { env: Object.fromEntries(values.env.map(variable)) } : {}),
    }, json);
  },
};

/** Runs the program and tells how it went. */
async function runAgain(clove: Clove, params: ReplayStartParams, json: boolean): Promise<number> {
  const started = await clove.replay.start(params);
  const { agent_id, replay_id, program, program_changed } = started;
  if (!json && program_changed) say(`"${printable(program!)}" is not the program that was recorded`);
  const stop = (): void => void clove.agent.kill({ id: agent_id!, grace_ms: 0 }).catch(() => {});
  Deno.addSignalListener("SIGINT", stop);
  try {
    if (!json) await passOutput(clove, agent_id!);
    const status = await clove.replay.status({ replay_id: replay_id!, wait: true });
    if (json) await printJson({ ...status, program, program_changed });
    else tell(status);
    if (status.state === "diverged") return STATUS.failed;
    if (status.live) return status.exit_code ?? STATUS.clove;
    return status.state === "completed" ? STATUS.ok : STATUS.failed;
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

async function passOutput(clove: Clove, id: number): Promise<void> {
  const output = clove.agent.output({ id, follow: true, raw: true, hold: true });
  for await (const part of output) {
    const { tail } = part as typeof part & { tail: Uint8Array };
    await (part.stream === "stderr" ? printError(tail) : print(tail));
  }
  await output.result;
}

function tell(status: ReplayStatusResult): void {
  const { state, divergence, entries_replayed, total_entries, live, output_differs } = status;
  if (divergence) {
    say(printable(divergence.message));
    for (const { path, expected, actual } of divergence.differences) {
      if (expected !== undefined) console.error(`  - ${printable(`${path}: ${expected}`)}`);
      if (actual !== undefined) console.error(`  + ${printable(`${path}: ${actual}`)}`);
    }
    return;
  }
  const how = live ? ", then it went on for real" : state === "stopped" ? ", then it was stopped" : "";
  say(`replayed ${entries_replayed} of ${total_entries} calls, all as recorded${how}`);
  if (output_differs && !live && isTerminal()) say("it wrote something else than when it was recorded");
}

interface Patch {
  readonly call: string;
  readonly file: string;
}

/** `--patch` takes two values, which no other option does: they are taken out first. */
function readPatches(given: readonly string[]): { args: readonly string[]; patches: readonly Patch[] } {
  const args: string[] = [];
  const patches: Patch[] = [];
  for (let i = 0; i < given.length; i++) {
    if (given[i] !== "--patch") {
      args.push(given[i]!);
      continue;
    }
    const [call, file] = [given[i + 1], given[i + 2]];
    if (call === undefined || file === undefined) {
      throw new UsageError(
        'Cannot replay: --patch needs the number of a call and a file, see "clove replay --help"',
      );
    }
    patches.push({ call, file });
    i += 2;
  }
  return { args, patches };
}

async function readPatch({ call, file }: Patch): Promise<{ call: number; answer: unknown }> {
  const number = parseNumber("--patch", call, true);
  try {
    return { call: number, answer: JSON.parse(await Deno.readTextFile(file)) };
  } catch (cause) {
    throw new CliError(
      STATUS.clove,
      `Cannot patch call ${number} with "${file}": ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? Deno.env.get(name) : text.slice(at + 1);
  if (value === undefined) throw new UsageError(`Cannot use --env "${text}": there is no such variable here`);
  return [name, value];
}
