import type { Need } from "./need.ts";
import type { Pattern } from "./pattern.ts";
import { baseName } from "./program.ts";

/** Commands that no level but `unrestricted` runs, as clients see them. */
export const BLOCKED_COMMANDS = [
  "rm -rf /",
  "rm -rf ~",
  "rm -rf /*",
  "sudo",
  "su ",
  "chmod 777",
  "curl | bash",
  "wget | bash",
  "> /dev/sd",
  "dd if=",
  "mkfs",
  ":(){:|:&};:",
  "shutdown",
  "reboot",
  "init 0",
  "poweroff",
] as const;

/** One of {@linkcode BLOCKED_COMMANDS}. */
export type BlockedCommand = (typeof BLOCKED_COMMANDS)[number];

const SHELLS = new Set(["sh", "bash", "dash", "ash", "ksh", "zsh", "fish"]);
/** Programs that run what follows: operands of their own that come first, and their options that take a word. */
const WRAPPERS: ReadonlyMap<string, { readonly operands: number; readonly valued: string }> = new Map([
  ["env", { operands: 0, valued: "uC" }],
  ["nohup", { operands: 0, valued: "" }],
  ["nice", { operands: 0, valued: "n" }],
  ["ionice", { operands: 0, valued: "cnp" }],
  ["setsid", { operands: 0, valued: "" }],
  ["stdbuf", { operands: 0, valued: "ioe" }],
  ["time", { operands: 0, valued: "fo" }],
  ["xargs", { operands: 0, valued: "adEILnPs" }],
  ["exec", { operands: 0, valued: "a" }],
  ["command", { operands: 0, valued: "" }],
  ["busybox", { operands: 0, valued: "" }],
  ["timeout", { operands: 1, valued: "ks" }],
  ["chroot", { operands: 1, valued: "" }],
]);
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/;
const OFF_SWITCHES = ["shutdown", "reboot", "poweroff"] as const;
/** Commands within commands that are followed; deeper ones are a disguise and no accident. */
const DEPTH = 4;

/**
 * Which of the blocked commands an argv is; null for none.
 *
 * Programs are told by name and arguments by position, also behind `env`, `timeout` and their like and within the
 * text of `sh -c`. This is a guard against accidents and shows what was meant; what native code can do is for the
 * sandbox to decide.
 */
export function blockedCommand(argv: readonly string[], depth = DEPTH): BlockedCommand | null {
  const program = baseName(argv[0] ?? "");
  const rest = argv.slice(1);
  const own = byProgram(program, rest);
  if (own !== null || depth === 0) return own;
  if (SHELLS.has(program)) {
    const flag = rest.findIndex((word) => /^-[A-Za-z]*c$/.test(word));
    const text = flag < 0 ? undefined : rest[flag + 1];
    if (text !== undefined) {
      const found = blockedInText(text, depth - 1);
      if (found !== null) return found;
    }
  }
  const wrapper = WRAPPERS.get(program);
  if (wrapper === undefined) return null;
  let skip = wrapper.operands;
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i]!;
    if (/^-[A-Za-z]$/.test(word) && wrapper.valued.includes(word[1]!)) i++;
    else if (!word.startsWith("-") && !ASSIGNMENT.test(word) && skip-- === 0) {
      return blockedCommand(rest.slice(i), depth - 1);
    }
  }
  return null;
}

/** Which of the blocked commands a shell text holds; null for none. Cuts it as a shell would, roughly. */
export function blockedInText(text: string, depth = DEPTH): BlockedCommand | null {
  if (text.replace(/\s+/g, "").includes(":(){:|:&};:")) return ":(){:|:&};:";
  const pipelines = cut(text);
  for (const pipeline of pipelines) {
    const programs = pipeline.map((command) => baseName(command[0] ?? ""));
    const fetch = programs.findIndex((name) => name === "curl" || name === "wget");
    if (fetch >= 0 && programs.slice(fetch + 1).some((name) => SHELLS.has(name))) {
      return programs[fetch] === "curl" ? "curl | bash" : "wget | bash";
    }
    for (const command of pipeline) {
      const redirect = command.findIndex((word) => word.startsWith(">"));
      const target = redirect < 0
        ? undefined
        : command[redirect]!.replace(/^>+[|&]?/, "") || command[redirect + 1];
      if (target?.startsWith("/dev/sd")) return "> /dev/sd";
      const found = blockedCommand(command, depth);
      if (found !== null) return found;
    }
  }
  return null;
}

/** The default blocks on commands, as the pattern of a deny rule. */
export class BlockedCommandsPattern implements Pattern {
  readonly text = "blocked commands";
  readonly all = false;

  allows(): boolean {
    return false;
  }

  denies(need: Need): boolean {
    return this.which(need) !== null;
  }

  covers(other: Pattern): boolean {
    return other instanceof BlockedCommandsPattern;
  }

  spares(): boolean {
    return false;
  }

  /** The block that a need runs into. */
  which(need: Need): BlockedCommand | null {
    return need.argv !== undefined ? blockedCommand(need.argv) : blockedInText(need.target);
  }
}

function byProgram(program: string, rest: readonly string[]): BlockedCommand | null {
  switch (program) {
    case "sudo":
      return "sudo";
    case "su":
      return "su ";
    case "rm":
      return removal(rest);
    case "chmod":
      return rest.some((word) => /^0*777$/.test(word)) ? "chmod 777" : null;
    case "dd":
      return rest.some((word) => word.startsWith("if="))
        ? "dd if="
        : rest.some((word) => word.startsWith("of=/dev/sd"))
        ? "> /dev/sd"
        : null;
    case "tee":
      return rest.some((word) => word.startsWith("/dev/sd")) ? "> /dev/sd" : null;
    case "shutdown":
    case "reboot":
    case "poweroff":
      return program;
    case "systemctl":
      return OFF_SWITCHES.find((word) => rest.includes(word)) ?? null;
    case "init":
    case "telinit":
      return rest[0] === "0" ? "init 0" : null;
    default:
      return program === "mkfs" || program.startsWith("mkfs.") ? "mkfs" : null;
  }
}

/** `rm` with both flags, in any spelling, on the root, all that is in it, or a home as a shell would write it. */
function removal(rest: readonly string[]): BlockedCommand | null {
  const end = rest.indexOf("--");
  const isFlag = (word: string, i: number) => word.startsWith("-") && word !== "-" && (end < 0 || i < end);
  const flags = rest.filter(isFlag);
  const has = (letters: RegExp, word: string) => flags.some((flag) => flag === word || letters.test(flag));
  if (!has(/^-[A-Za-z]*[rR]/, "--recursive") || !has(/^-[A-Za-z]*f/, "--force")) return null;
  for (const [i, word] of rest.entries()) {
    if (isFlag(word, i)) continue;
    const path = word.replace(/\/(?:\.?\/)+/g, "/").replace(/(?<=.)\/\.?$/, "");
    if (path === "/" || path === "/.") return "rm -rf /";
    if (path === "/*") return "rm -rf /*";
    if (path === "~" || path === "~/*" || path === "$HOME" || path === "${HOME}") return "rm -rf ~";
  }
  return null;
}

/** Cuts a shell text into pipelines of commands of words. Quotes keep words together; substitutions are opened. */
function cut(text: string): string[][][] {
  const pipelines: string[][][] = [];
  let pipeline: string[][] = [];
  let command: string[] = [];
  let word: string | null = null;
  let quote = "";
  const endWord = () => {
    if (word !== null) command.push(word);
    word = null;
  };
  const endCommand = () => {
    endWord();
    while (ASSIGNMENT.test(command[0] ?? "") || SHELL_WORDS.has(command[0] ?? "")) command.shift();
    if (command.length > 0) pipeline.push(command);
    command = [];
  };
  const endPipeline = () => {
    endCommand();
    if (pipeline.length > 0) pipelines.push(pipeline);
    pipeline = [];
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (quote === "'") {
      if (char === "'") quote = "";
      else word = (word ?? "") + char;
    } else if (char === "`" || (char === "$" && text[i + 1] === "(")) {
      endPipeline();
      if (char === "$") i++;
      quote = "";
    } else if (char === "\\" && i + 1 < text.length) {
      if (text[i + 1] !== "\n") word = (word ?? "") + text[i + 1];
      i++;
    } else if (quote === '"') {
      if (char === '"') quote = "";
      else word = (word ?? "") + char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word = word ?? "";
    } else if (char === " " || char === "\t") {
      endWord();
    } else if (char === "|" && text[i + 1] !== "|") {
      endCommand();
    } else if (";&|()\n".includes(char)) {
      if (char === "&" && (text[i - 1] === ">" || text[i + 1] === ">")) continue;
      endPipeline();
    } else if (char === ">" && word !== null && !word.startsWith(">")) {
      endWord();
      word = ">";
    } else {
      word = (word ?? "") + char;
    }
  }
  endPipeline();
  return pipelines;
}

/** Words of the shell's grammar that stand before a command. */
const SHELL_WORDS = new Set(["if", "then", "else", "elif", "while", "until", "do", "!", "{"]);
