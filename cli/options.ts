/**
 * Options of a command, read strictly: what is not known is refused.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { UsageError } from "./exit.ts";

/** The options a command knows. */
export type OptionTable = Readonly<
  Record<
    string,
    { readonly type: "string" | "boolean"; readonly multiple?: boolean; readonly short?: string }
  >
>;

/** What was given, by option. */
export type Values<T extends OptionTable> = {
  readonly [K in keyof T]?: T[K] extends { type: "string"; multiple: true } ? readonly string[]
    : T[K] extends { type: "string" } ? string
    : boolean;
};

/** Options and plain arguments. */
export interface Given<T extends OptionTable> {
  readonly values: Values<T>;
  readonly plain: readonly string[];
}

/**
 * Reads a command's arguments.
 *
 * @param command Its name, for messages.
 * @param plain How many plain arguments there can be, and what they are.
 * @throws {UsageError} On an unknown option, a missing value, or too few or many plain arguments.
 */
export function readOptions<const T extends OptionTable>(
  command: string,
  args: readonly string[],
  options: T,
  plain: { readonly min: number; readonly max: number; readonly words: string },
): Given<T> {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(
      `Cannot ${command}: ${reasonOf(error as Error & { code?: string })}, ${see(command)}`,
    );
  }
  const { positionals } = parsed;
  if (positionals.length < plain.min) {
    throw new UsageError(`Cannot ${command}: ${plain.words} is missing, ${see(command)}`);
  }
  if (positionals.length > plain.max) {
    throw new UsageError(
      `Cannot ${command}: "${positionals[plain.max]}" is one argument too many, ${see(command)}`,
    );
  }
  return { values: parsed.values as Values<T>, plain: positionals };
}

/** A command line that ends in another program's. */
export interface Split {
  /** The options before it. */
  readonly own: readonly string[];
  /** What follows, untouched: a script and its arguments, or an argv. */
  readonly program: readonly string[];
  /** True when `--` stood between them: it is an argv. */
  readonly dashed: boolean;
}

/** Cuts at the first plain argument or at `--`, so that the program's own options stay the program's. */
export function splitProgram(args: readonly string[], options: OptionTable): Split {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const cut = tokens.find(({ kind }) => kind !== "option");
  if (!cut) return { own: args, program: [], dashed: false };
  const dashed = cut.kind === "option-terminator";
  return { own: args.slice(0, cut.index), program: args.slice(dashed ? cut.index + 1 : cut.index), dashed };
}

/** Where to read more. */
export function see(command: string): string {
  return `see "clove ${command} --help"`;
}

function reasonOf(error: Error & { code?: string }): string {
  const quoted = /'([^']*)'/.exec(error.message)?.[1]?.replace(/ <value>$/, "") ?? "";
  if (error.code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") return `there is no option "${quoted}"`;
  if (error.code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") {
    const option = quoted.replace(/^-\w, /, "");
    if (/does not take an argument/.test(error.message)) return `the option "${option}" takes no value`;
    if (/ambiguous/.test(error.message)) {
      return `the value of "${option}" begins with "-", write ${option}=VALUE if that is meant`;
    }
    return `the option "${option}" needs a value`;
  }
  return error.message;
}
