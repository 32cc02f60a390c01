/**
 * Reads a recording back, checking what it says of itself.
 *
 * @module
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { SyscallError } from "@clove/sdk/protocol";
import {
  type AgentLine,
  FORMAT,
  type HeaderLine,
  type Line,
  type Recording,
  RECORDING_LIMITS,
} from "./format.ts";

const KINDS: ReadonlySet<string> = new Set([
  "agent",
  "call",
  "answer",
  "part",
  "push",
  "cancel",
  "input",
  "output",
  "decision",
  "exit",
  "cut",
]);

/** The two bytes every gzip file begins with (RFC 1952, section 2.3.1). */
const GZIP = [0x1f, 0x8b];

/**
 * Reads a file, compressed or not, whatever its name. A last line that was torn off is left out.
 *
 * @throws {SyscallError} `not_found`, `limit`, or `bad_request` for what is no recording.
 */
export async function readRecording(path: string): Promise<Recording> {
  try {
    if (!(await stat(path)).isFile()) throw bad(path, "it is no regular file");
    return parseRecording(path, await textOf(path));
  } catch (cause) {
    if (cause instanceof SyscallError) throw cause;
    const { code, message } = cause as Error & { code?: string };
    if (code === "ENOENT") {
      throw new SyscallError("not_found", `Cannot read "${path}": there is no such file`, { cause });
    }
    throw bad(path, message, cause);
  }
}

/** Reads the text of a recording; `name` is for messages. */
export function parseRecording(name: string, text: string): Recording {
  const rows = text.split("\n");
  // What follows the last line feed is empty, or a line that nobody finished.
  rows.pop();
  const lines: Line[] = [];
  let header: HeaderLine | null = null;
  for (const [index, row] of rows.entries()) {
    let line: { kind?: unknown };
    try {
      line = JSON.parse(row);
    } catch (cause) {
      throw bad(name, `line ${index + 1} is no JSON`, cause);
    }
    if (index === 0) header = checkHeader(name, line as unknown as HeaderLine);
    else if (typeof line?.kind === "string" && KINDS.has(line.kind)) {
      lines.push(checkLine(name, index + 1, line as Line));
    } else throw bad(name, `line ${index + 1} is of no known kind`);
  }
  if (!header) throw bad(name, "it is empty");
  return { header, lines };
}

/** The agents of a recording, those that were started first, first. */
export function agentsOf(recording: Recording): AgentLine[] {
  return recording.lines.filter((line): line is AgentLine => line.kind === "agent");
}

/**
 * The agent that is meant: by name or number, else the first.
 *
 * @throws {SyscallError} `not_found`.
 */
export function agentIn(recording: Recording, wanted: string | undefined): AgentLine {
  const agents = agentsOf(recording);
  const found = wanted === undefined
    ? agents[0]
    : agents.find(({ agent, name }) => name === wanted || String(agent) === wanted);
  if (found) return found;
  const names = agents.map(({ agent, name }) => `${name} (${agent})`).join(", ") || "nobody";
  throw new SyscallError(
    "not_found",
    wanted === undefined
      ? "Cannot replay: the recording holds no agent"
      : `Cannot find the agent "${wanted}" in the recording: it holds ${names}`,
  );
}

function checkHeader(name: string, header: HeaderLine): HeaderLine {
  if (header?.kind !== "header" || typeof header.clove_recording !== "number") {
    throw bad(name, "it does not begin as a recording does");
  }
  if (header.clove_recording !== FORMAT) {
    throw bad(name, `its format is ${header.clove_recording}, this kernel reads ${FORMAT}`);
  }
  if (!Number.isFinite(header.epoch_ms)) throw bad(name, "its header has no time");
  return header;
}

function checkLine(name: string, number: number, line: Line): Line {
  const numbers = line.kind === "cut" ? [line.t] : [line.t, line.agent];
  if ("n" in line) numbers.push(line.n, line.conn);
  if (!numbers.every((value) => typeof value === "number" && Number.isFinite(value))) {
    throw bad(name, `line ${number} lacks a number`);
  }
  return line;
}

async function textOf(path: string): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const head: Uint8Array[] = [];
  for await (const chunk of createReadStream(path, { end: 1 })) head.push(chunk as Uint8Array);
  const first = head.flatMap((chunk) => [...chunk]);
  const gzip = GZIP.every((byte, i) => first[i] === byte);
  const file = createReadStream(path);
  const source = gzip ? file.pipe(createGunzip()) : file;
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of source) {
      bytes += (chunk as Uint8Array).byteLength;
      if (bytes > RECORDING_LIMITS.readBytes) {
        throw new SyscallError(
          "limit",
          `Cannot read "${path}": it is longer than ${RECORDING_LIMITS.readBytes} bytes`,
        );
      }
      text += decoder.decode(chunk as Uint8Array, { stream: true });
    }
  } catch (cause) {
    // The recorder was killed: what it had flushed is whole lines, and counts.
    if ((cause as { code?: string }).code !== "Z_BUF_ERROR") throw cause;
  } finally {
    file.destroy();
  }
  return text;
}

function bad(name: string, why: string, cause?: unknown): SyscallError {
  return new SyscallError("bad_request", `Cannot read the recording "${name}": ${why}`, { cause });
}
