/**
 * A recording as a person reads it: its agents and lines, or what one agent had before it at some call.
 *
 * @module
 */
import type { Clove, ReplayInspectParams, ReplayInspectResult } from "@clove/sdk";
import { STATUS } from "../exit.ts";
import { bold, jsonText, print, printJson } from "../terminal.ts";
import { printable } from "../text.ts";

/** Longer texts are cut in listings. */
const LINE_CHARS = 160;

type Fields = Record<string, unknown>;

/** `clove replay show`. */
export async function showRecording(
  clove: Clove,
  params: ReplayInspectParams,
  json: boolean,
): Promise<number> {
  const lines = clove.replay.inspect({ ...params, lines: true });
  const parts: Fields[] = [];
  for await (const line of lines) parts.push(line as Fields);
  const result = await lines.result;
  if (json) {
    await printJson(result.header);
    for (const line of parts) await printJson(line);
    return STATUS.ok;
  }
  await print(headText(result));
  const chosen = params.agent === undefined
    ? null
    : result.agents.find(({ agent, name }) => name === params.agent || String(agent) === params.agent)?.agent;
  for (const line of parts) {
    if (chosen === null || line.agent === chosen) await print(lineText(line));
  }
  return STATUS.ok;
}

/** `clove replay --at N`. */
export async function showSnapshot(
  clove: Clove,
  params: ReplayInspectParams,
  json: boolean,
): Promise<number> {
  const inspecting = clove.replay.inspect(params);
  const { snapshot } = await inspecting.result;
  if (json) {
    await printJson(snapshot);
    return STATUS.ok;
  }
  const { at, t, next, state, files, received, sent, events, output } = snapshot as {
    at: number;
    t: number;
    next: Fields | null;
    state: Fields[];
    files: Fields[];
    received: Fields[];
    sent: Fields[];
    events: Fields[];
    output: { stdout: string; stderr: string };
  };
  await print(`${bold(`before call ${at}`)}, ${t} ms after the beginning\n`);
  await print(
    `next: ${next ? cut(`${next.name} ${jsonText(next.params ?? {})}`) : "nothing, this is the end"}\n`,
  );
  await section(
    "state",
    state,
    ({ key, scope, value }) => `${key} = ${jsonText(value)}${scope ? ` (${scope})` : ""}`,
  );
  await section("files", files, ({ path, content, encoding }) => {
    return `${path}: ${
      content === null ? "unread" : `${encoding === "base64" ? "base64 " : ""}${jsonText(content)}`
    }`;
  });
  await section("received", received, ({ value }) => jsonText(value));
  await section("sent", sent, ({ value }) => jsonText(value));
  await section("events", events, ({ value }) => jsonText(value));
  const written = [{ text: output.stdout }, { text: output.stderr }].filter(({ text }) => text !== "");
  await section("written", written, ({ text }) => jsonText(text));
  return STATUS.ok;
}

async function section<T extends Fields>(name: string, items: T[], text: (item: T) => string): Promise<void> {
  if (items.length === 0) return;
  await print(`\n${bold(name)}\n${items.map((item) => `  ${cut(printable(text(item)))}\n`).join("")}`);
}

function headText({ header, agents, complete }: ReplayInspectResult): string {
  const lines = agents.map(({ agent, name, program, calls, exit }) => {
    const end = exit === null ? "its end is not recorded" : String(exit.cause);
    return `${bold(printable(name))} (${agent}): ${printable(program)}, ${calls} calls, ${printable(end)}\n`;
  });
  const cutOff = complete ? "" : ", incomplete";
  return `recorded ${printable(String(header.started_at))} by Clove ${
    printable(String(header.kernel))
  }${cutOff}\n${lines.join("")}\n`;
}

function lineText(line: Fields): string {
  const time = `${Number(line.t).toFixed(1).padStart(10)}  `;
  const who = `${String(line.agent ?? "").padStart(3)} `;
  const number = line.n === undefined ? "" : `${line.n} `;
  const body = BODY[String(line.kind)];
  return body ? `${time}${who}${cut(printable(body(line, number)))}\n` : "";
}

const BODY: Readonly<Record<string, (line: Fields, number: string) => string>> = {
  agent: ({ name }) => `agent ${name} starts`,
  call: ({ name, params, raw }, number) => `${number}${name} ${jsonText(params ?? raw ?? {})}`,
  answer: ({ answer, raw }, number) => `${number}-> ${jsonText(answer ?? raw)}`,
  part: ({ value }, number) => `${number}.. ${jsonText(value)}`,
  push: ({ value }, number) => `${number}<- ${jsonText(value)}`,
  cancel: (_line, number) => `${number}given up`,
  input: ({ data, end }) => `stdin: ${jsonText(atob(String(data)))}${end ? ", its end" : ""}`,
  output: ({ stream, text }) => `${stream}: ${jsonText(text)}`,
  decision: ({ what, details }) => `${what} ${jsonText(details)}`,
  exit: ({ cause }) => `ends: ${cause}`,
  cut: ({ why }) => `the recording ends: ${why}`,
};

function cut(text: string): string {
  return text.length > LINE_CHARS ? `${text.slice(0, LINE_CHARS - 1)}…` : text;
}
