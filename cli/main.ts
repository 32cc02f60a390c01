/**
 * The `clove` command.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { type Command, HelpAsked, Invocation, type SocketChoice } from "./command.ts";
import { COMMANDS, helpText } from "./commands.ts";
import { STATUS, UsageError } from "./exit.ts";
import { report } from "./report.ts";
import { print } from "./terminal.ts";

/** Where a kernel listens unless told otherwise. */
const DEFAULT_SOCKET = "/tmp/clove.sock";

/**
 * Runs one command.
 *
 * @param args As on the command line.
 * @returns The exit status: of `run` and `exec` the program's; else 0, 1 (refused or failed), 2 (the command line
 * makes no sense) or 3 (no kernel answers).
 */
export async function main(args: readonly string[]): Promise<number> {
  let command: Command | null = null;
  try {
    const { show, name, rest, socket } = readGlobal(args);
    if (show !== null) {
      await print(show);
      return STATUS.ok;
    }
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name]! : null;
    if (!entry) throw new UsageError(`Cannot ${name}: there is no such command, see "clove --help"`);
    command = await entry.load();
    return await command.run(new Invocation(name, rest, socket));
  } catch (error) {
    if (!(error instanceof HelpAsked)) return report(error, command?.runsProgram ?? false);
    await print(command!.help);
    return STATUS.ok;
  }
}

interface Global {
  readonly show: string | null;
  readonly name: string;
  readonly rest: readonly string[];
  readonly socket: SocketChoice;
}

/** Reads what stands before the command. */
function readGlobal(args: readonly string[]): Global {
  const variable = Deno.env.get("CLOVE_SOCKET");
  let socket: SocketChoice = { path: variable || DEFAULT_SOCKET, chosen: !!variable };
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === "--socket" || word.startsWith("--socket=")) {
      const path = word === "--socket" ? args[++i] : word.slice("--socket=".length);
      if (!path) throw new UsageError('Cannot use --socket: its path is missing, see "clove --help"');
      socket = { path, chosen: true };
    } else if (word === "--version" || word === "-V") {
      return { show: `clove ${config.version}\n`, name: "", rest: [], socket };
    } else if (word === "--help" || word === "-h" || word === "help") {
      const asked = args[i + 1];
      if (word !== "help" || asked === undefined) return { show: helpText(), name: "", rest: [], socket };
      return { show: null, name: asked, rest: ["--help"], socket };
    } else if (word.startsWith("-")) {
      throw new UsageError(
        `Cannot use "${word}": there is no such option before a command, see "clove --help"`,
      );
    } else return { show: null, name: word, rest: args.slice(i + 1), socket };
  }
  throw new UsageError(`Cannot tell what to do: no command was given\n\n${helpText()}`);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
