/**
 * The kernel's options: command line first, then environment, then defaults.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Level, LEVELS } from "../permissions/vocabulary.ts";
import { type Wall, WALLS } from "./agents/launch.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";

/** What a kernel needs to know to start. */
export interface KernelOptions {
  /** The operator's socket. */
  readonly socket: string;
  /** Where the database is; null keeps everything in memory. */
  readonly data: string | null;
  /** False starts agents as ordinary processes. */
  readonly sandbox: boolean;
  /** Walls without which no agent may start. */
  readonly require: readonly Wall[];
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  /** What an operator's connection may do until it says otherwise. */
  readonly operatorLevel: Level;
  /** `HOST:PORT` of the Prometheus endpoint, or null. */
  readonly metrics: string | null;
}

/** An option that makes no sense; its message is for the person who typed it. */
export class OptionError extends Error {
  /** Says which option, which value, and what is allowed. */
  constructor(message: string) {
    super(message);
    this.name = "OptionError";
  }
}

/** What `--help` prints. */
export const HELP = `clove kernel - runs AI agents as confined processes

Usage: clove kernel [OPTIONS]        (or: deno run -A jsr:@clove/kernel [OPTIONS])

  --socket PATH            where operators connect             [CLOVE_SOCKET, /tmp/clove.sock]
  --data DIR               keep state here                     [CLOVE_DATA_DIR, ~/.local/state/clove]
  --ephemeral              keep state in memory only           [CLOVE_EPHEMERAL=1]
  --no-sandbox             start agents without OS walls       [CLOVE_NO_SANDBOX=1]
  --require WALL,...       refuse agents that lack these walls [CLOVE_REQUIRE_WALLS]
                           ${WALLS.join(" ")}, namespaces, all
  --operator-level LEVEL   what operators may do               [CLOVE_OPERATOR_LEVEL, unrestricted]
                           ${LEVELS.join(" ")}
  --metrics HOST:PORT      serve Prometheus metrics there      [CLOVE_METRICS, off]
  --log-level LEVEL        ${LOG_LEVELS.join(" ")}               [CLOVE_LOG_LEVEL, info]
  --log-format FORMAT      text or json                        [CLOVE_LOG_FORMAT, text]
  --version                print the version and leave
  --help                   print this and leave
`;

/** The default socket: the original's, where its clients look. */
export const DEFAULT_SOCKET = "/tmp/clove.sock";

const GROUPS: Readonly<Record<string, readonly Wall[]>> = {
  namespaces: ["pid", "mount", "net", "uts", "ipc"],
  all: WALLS,
};

/**
 * Reads walls as `require` names them.
 *
 * @throws {OptionError} On a word that is no wall.
 */
export function parseWalls(words: readonly string[]): Wall[] {
  const walls = new Set<Wall>();
  for (const word of words) {
    const group = GROUPS[word] ?? WALLS.filter((wall) => wall === word);
    if (group.length === 0) {
      throw new OptionError(
        `Cannot require "${word}": it is no wall, choose from ${WALLS.join(", ")}, namespaces, all`,
      );
    }
    for (const wall of group) walls.add(wall);
  }
  return [...walls];
}

/** What the arguments ask for. */
export type Parsed =
  | { readonly show: "help" | "version" }
  | { readonly show: null; readonly options: KernelOptions };

/**
 * Reads arguments and environment.
 *
 * @param environment Such as `Deno.env.toObject()`.
 * @throws {OptionError} On an unknown option or value.
 */
export function parseOptions(args: readonly string[], environment: Readonly<Record<string, string>>): Parsed {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        socket: { type: "string" },
        data: { type: "string" },
        ephemeral: { type: "boolean" },
        "no-sandbox": { type: "boolean" },
        require: { type: "string", multiple: true },
        "operator-level": { type: "string" },
        metrics: { type: "string" },
        "log-level": { type: "string" },
        "log-format": { type: "string" },
        version: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    throw new OptionError(`Cannot read the options: ${(cause as Error).message}, see --help`);
  }
  const { values, positionals } = parsed;
  if (values.help) return { show: "help" };
  if (values.version) return { show: "version" };
  if (positionals.length > 1 || (positionals.length === 1 && values.socket !== undefined)) {
    throw new OptionError(`Cannot use "${positionals.at(-1)}": the only plain argument is the socket's path`);
  }
  const yes = (value: string | undefined) => value !== undefined && value !== "" && value !== "0";
  const ephemeral = values.ephemeral ?? (values.data === undefined && yes(environment.CLOVE_EPHEMERAL));
  if (values.ephemeral && values.data !== undefined) {
    throw new OptionError(`Cannot use --data "${values.data}" with --ephemeral: choose one`);
  }
  const words = values.require ?? (environment.CLOVE_REQUIRE_WALLS ? [environment.CLOVE_REQUIRE_WALLS] : []);
  const require = parseWalls(
    words.flatMap((list) => list.split(",")).map((word) => word.trim()).filter(Boolean),
  );
  const sandbox = !(values["no-sandbox"] ?? yes(environment.CLOVE_NO_SANDBOX));
  if (!sandbox && require.length > 0) {
    throw new OptionError(
      `Cannot use --no-sandbox with --require ${require.join(",")}: without a sandbox there are no walls`,
    );
  }
  return {
    show: null,
    options: {
      socket: values.socket ?? positionals[0] ?? (environment.CLOVE_SOCKET || DEFAULT_SOCKET),
      data: ephemeral ? null : values.data ?? defaultDataDir(environment),
      sandbox,
      require,
      operatorLevel: oneOf(
        "--operator-level",
        values["operator-level"] ?? environment.CLOVE_OPERATOR_LEVEL,
        LEVELS,
        "unrestricted",
      ),
      metrics: values.metrics ?? (environment.CLOVE_METRICS || null),
      logLevel: oneOf("--log-level", values["log-level"] ?? environment.CLOVE_LOG_LEVEL, LOG_LEVELS, "info"),
      logFormat: oneOf(
        "--log-format",
        values["log-format"] ?? environment.CLOVE_LOG_FORMAT,
        ["text", "json"] as const,
        "text",
      ),
    },
  };
}

function oneOf<T extends string>(
  option: string,
  value: string | undefined,
  allowed: readonly T[],
  standard: T,
): T {
  if (value === undefined || value === "") return standard;
  if ((allowed as readonly string[]).includes(value)) return value as T;
  throw new OptionError(`Cannot use ${option} "${value}": choose from ${allowed.join(", ")}`);
}

/**
 * Where a kernel keeps its data that was told nothing else on its command line.
 *
 * @param environment Such as `Deno.env.toObject()`.
 * @throws {OptionError} When the environment does not say where this user's files are.
 */
export function defaultDataDir(environment: Readonly<Record<string, string>>): string {
  if (environment.CLOVE_DATA_DIR) return environment.CLOVE_DATA_DIR;
  if (environment.XDG_STATE_HOME) return `${environment.XDG_STATE_HOME}/clove`;
  if (environment.HOME) return `${environment.HOME}/.local/state/clove`;
  throw new OptionError("Cannot choose a data directory: HOME is not set, use --data DIR or --ephemeral");
}
