/**
 * Failures as a person reads them, and the exit status they mean.
 *
 * @module
 */
import { ConnectionError, ProtocolError, type Receipt, SyscallError, TimeoutError } from "@clove/sdk";
import { CliError, OutputClosed, STATUS } from "./exit.ts";
import { say } from "./terminal.ts";
import { printable, printableLines } from "./text.ts";

/**
 * Tells what went wrong, on standard error.
 *
 * @param runsProgram True when the exit status of success is another program's.
 * @returns The exit status.
 */
export function report(error: unknown, runsProgram: boolean): number {
  if (error instanceof OutputClosed) return error.status;
  if (error instanceof CliError) {
    say(error.message);
    if (runsProgram) {
      return error.status === STATUS.usage || error.status === STATUS.failed ? STATUS.clove : error.status;
    }
    // What a program would have ended with says nothing where none was waited for.
    return error.status >= STATUS.clove ? STATUS.failed : error.status;
  }
  if (error instanceof SyscallError) {
    // It may quote what an agent sent: a line of that must not pass for one of ours.
    say(printableLines(error.message).replaceAll("\n", "\n  "));
    if (error.receipt) console.error(receiptText(error.receipt));
    return runsProgram ? statusOf(error) : STATUS.failed;
  }
  if (
    error instanceof ConnectionError || error instanceof TimeoutError || error instanceof ProtocolError ||
    error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound
  ) {
    say(error.message);
  } else say(error instanceof Error ? error.stack ?? error.message : String(error));
  return runsProgram ? STATUS.clove : STATUS.failed;
}

/** A receipt, part by part. */
export function receiptText({ need, rule, missing, ask }: Receipt): string {
  const parts = [
    ["needed", need],
    ["refused by", rule],
    ...(missing === need ? [] : [["missing", missing]]),
    [
      "to allow it",
      ask,
    ],
  ];
  return parts.map(([name, text]) => `  ${name!.padEnd(11)}  ${printable(text!)}`).join("\n");
}

/** The status of a program that did not start, as shells and container tools give it. */
function statusOf({ code, details }: SyscallError): number {
  if (code === "denied" || details.refused === true) return STATUS.refused;
  return code === "not_found" ? STATUS.missing : STATUS.clove;
}
