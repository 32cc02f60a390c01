/**
 * What a command is, and what it is called with.
 *
 * @module
 */
import { type Given, type OptionTable, readOptions } from "./options.ts";

/** Where the kernel is. */
export interface SocketChoice {
  readonly path: string;
  /** True when somebody named it: `--socket`, or `CLOVE_SOCKET`. */
  readonly chosen: boolean;
}

/** A command line, cut into the command and what belongs to it. */
export class Invocation {
  /** The command's name. */
  readonly command: string;
  /** What stands behind it. */
  readonly args: readonly string[];
  /** Where to connect. */
  socket: SocketChoice;

  /** Reads nothing yet. */
  constructor(command: string, args: readonly string[], socket: SocketChoice) {
    this.command = command;
    this.args = args;
    this.socket = socket;
  }

  /**
   * Reads the command's options; `--socket` and `--help` are everywhere.
   *
   * @param plain How many plain arguments there can be, and what they are.
   * @param args Instead of all of {@link args}: those before a program's own.
   * @throws {HelpAsked} On `--help`.
   * @throws {UsageError} On anything that is not known, missing or too much.
   */
  options<const T extends OptionTable>(
    options: T,
    plain: { readonly min: number; readonly max: number; readonly words: string },
    args: readonly string[] = this.args,
  ): Given<T> {
    const common = { help: { type: "boolean", short: "h" }, socket: { type: "string" } } as const;
    const asksHelp = args.includes("--help") || args.includes("-h");
    // Whoever asks for help is helped, however little the rest makes sense.
    if (asksHelp) throw new HelpAsked();
    const { values, plain: given } = readOptions(this.command, args, { ...options, ...common }, plain);
    const { socket } = values as { socket?: string };
    if (socket !== undefined) this.socket = { path: socket, chosen: true };
    return { values: values as Given<T>["values"], plain: given };
  }
}

/** One command: a file in `commands/`. */
export interface Command {
  /** What `--help` prints: usage first. */
  readonly help: string;
  /** True when its exit status is another program's, so that its own failures are 125 to 127. */
  readonly runsProgram?: boolean;
  /** Does it. Resolves with the exit status. */
  run(invocation: Invocation): Promise<number>;
}

/** The person wants to read the help. */
export class HelpAsked extends Error {}
