/**
 * Standard output and standard error. Data goes to the first, talk to the second.
 *
 * @module
 */
import { OutputClosed } from "./exit.ts";
import { printable } from "./text.ts";

const encoder = new TextEncoder();

/** True when standard output is a terminal: what agents wrote is then shown escaped. */
export function isTerminal(): boolean {
  return Deno.stdout.isTerminal();
}

/**
 * Writes data to standard output.
 *
 * @throws {OutputClosed} When nobody reads it any more.
 */
export async function print(data: string | Uint8Array): Promise<void> {
  await writeAll(Deno.stdout, typeof data === "string" ? encoder.encode(data) : data);
}

/** Writes data of an agent to standard error. */
export async function printError(data: Uint8Array): Promise<void> {
  await writeAll(Deno.stderr, data);
}

/** Says something to the person at the terminal, on standard error. */
export function say(text: string): void {
  console.error(`clove: ${text}`);
}

/** Writes JSON, one value on one line: `jq` and programs read it line by line. */
export async function printJson(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value)}\n`);
}

/** JSON on one line that a terminal can show. */
export function jsonText(value: unknown): string {
  // JSON itself escapes only the lowest control characters.
  return printable(JSON.stringify(value) ?? "null");
}

/** Bold, for headings; plain when colours are not wanted. */
export function bold(text: string): string {
  return paint("1", text);
}

/** Green, for what is well. */
export function green(text: string): string {
  return paint("32", text);
}

/** Red, for what is not. */
export function red(text: string): string {
  return paint("31", text);
}

function paint(code: string, text: string): string {
  return Deno.noColor || !isTerminal() ? text : `\u001b[${code}m${text}\u001b[0m`;
}

async function writeAll(
  stream: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  try {
    for (let at = 0; at < bytes.byteLength;) at += await stream.write(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed(error);
    throw error;
  }
}
