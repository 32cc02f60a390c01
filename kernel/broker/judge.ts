/**
 * What a question of Deno's means in terms of policies, and the answer that the agent's rights give at this moment.
 *
 * | Deno asks for | the agent needs |
 * |---|---|
 * | `read`, `write` | `fs.read`, `fs.write` on the path |
 * | `net` | `net` on host and port; a Unix socket needs `fs.write` on its path |
 * | `env` | `env`, or to have been given the variable |
 * | `run` | `exec` of the program with any arguments; programs are named by their path |
 * | `import` | `net:https://HOST` |
 * | `sys`, `ffi` | `exec.shell:sys:NAME`, `exec.shell:ffi:PATH` |
 *
 * @module
 */
import { statSync } from "node:fs";
import {
  askFor,
  type Authority,
  connectNeed,
  envNeed,
  execNeed,
  fileNeed,
  type Need,
  plainNeed,
  type Verdict,
} from "../../permissions/mod.ts";
import { absoluteOf, findPath, isHarmlessDevice, isOwn, isRelative, type Places } from "./places.ts";
import type { Question, Ruling } from "./question.ts";

/** What the judge knows about an agent. */
export interface Subject {
  readonly authority: Authority;
  /** The agent's name, for the command that a refusal proposes. */
  readonly name: string;
  readonly places: Places;
  /** Names of the variables it was given. */
  readonly variables: ReadonlySet<string>;
  /** Its own socket of the kernel, as the process writes it; null where it was given none. */
  readonly socket: string | null;
  /**
   * Whether the kernel's own proxy is the only way out of its network: then the proxy decides about each request, and
   * here it is only looked whether any could be allowed.
   */
  readonly proxied: boolean;
}

/** A ruling, and what is to be said about it in the audit log. */
export interface Judgement extends Ruling {
  /** Null where no rule was asked. */
  readonly need: Need | null;
  /** The rule that decided. */
  readonly rule: string;
}

/** Nobody has written rules for these; whoever may run anything holds them. */
const NOBODY = "/0e5b2f0c/any-program";
/** Ports that stand for "any port", which is what port 0 of a listener asks for. */
const ANY_PORT = [1, 65_534] as const;
/** Where a bare name of a program is looked for, to say which path to write. */
const PROGRAMS = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"] as const;

/**
 * Judges a question. Never waits.
 *
 * @param cwd Where the asking process is; null when nobody knows. Called for relative paths only.
 * @param nowMs Milliseconds since 1970.
 */
export function judge(
  subject: Subject,
  question: Question,
  cwd: () => string | null,
  nowMs: number,
): Judgement {
  const { permission, value, version } = question;
  if (version !== 1) return refused(`Cannot judge version ${version} of Deno's questions: only 1 is known`);
  if (value === null) {
    return refused(`Cannot have all of "${shown(permission)}" at once: ask for the one you need`);
  }
  switch (permission) {
    case "read":
    case "write":
      if (value === subject.socket) return allowed("its own connection to the kernel");
      return judgePath(subject, permission, value, cwd, nowMs);
    case "env":
      if (subject.variables.has(value)) return allowed("a variable it was given");
      return weigh(subject, envNeed(value), nowMs);
    case "net":
      if (subject.socket !== null && value === `unix:${subject.socket}`) {
        return allowed("its own connection to the kernel");
      }
      return judgeNet(subject, value, cwd, nowMs);
    case "run":
      return judgeRun(subject, value, nowMs);
    case "import":
      return judgeHost(subject, "https", value, nowMs);
    case "sys":
      return judgeNative(subject, `Cannot ask the machine for "${shown(value)}"`, `sys:${value}`, nowMs);
    case "ffi":
      return judgeLibrary(subject, value, cwd, nowMs);
    default:
      return refused(`Cannot judge "${shown(permission)}": Deno 2.9 knows no such permission`);
  }
}

function judgePath(
  subject: Subject,
  permission: "read" | "write",
  value: string,
  cwd: () => string | null,
  nowMs: number,
): Judgement {
  const { places } = subject;
  if (isHarmlessDevice(value)) return allowed("a device for everybody");
  const at = isRelative(value) ? cwd() : places.cwd;
  if (at === null) {
    return refused(
      `Cannot ${permission} "${
        shown(value)
      }": nobody knows which directory the process is in, write a whole path`,
    );
  }
  if (permission === "read" && isOwn(places, value, at)) return allowed("Deno's own cache");
  const found = findPath(places, value, at);
  if ("fault" in found) return refused(`Cannot ${permission} "${shown(value)}": ${found.fault}`);
  if (permission === "write" && found.mode === "ro") {
    return refused(`Cannot write "${shown(found.named)}": the agent was given it for reading only`);
  }
  return weigh(subject, fileNeed(permission === "read" ? "fs.read" : "fs.write", found.named), nowMs);
}

/** `host:port`, or `unix:` and a path. */
function judgeNet(subject: Subject, value: string, cwd: () => string | null, nowMs: number): Judgement {
  // Deno asked for read and write of its path already.
  if (value.startsWith("unix:")) return judgePath(subject, "write", value.slice(5), cwd, nowMs);
  return judgeHost(subject, "tcp", value, nowMs);
}

function judgeHost(subject: Subject, scheme: "tcp" | "https", value: string, nowMs: number): Judgement {
  const [, host, digits] = /^(.+):(\d{1,5})$/s.exec(value) ?? [];
  const port = Number(digits);
  if (host === undefined || !(port <= 65_535)) {
    return refused(`Cannot reach "${shown(value)}": it is no host with a port`);
  }
  try {
    const { proxied } = subject;
    const need = (at: number): Need => connectNeed(scheme, host, at, { inspected: proxied });
    if (port !== 0) return weigh(subject, need(port), nowMs, proxied);
    const [one, other] = ANY_PORT;
    const first = weigh(subject, need(one), nowMs, true);
    return first.allowed ? weigh(subject, need(other), nowMs, proxied) : first;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return refused(error.message);
  }
}

/**
 * A program. Its arguments are not told, and neither are the PATH and the directory in which Deno will look for it:
 * the program chooses both, so a bare name could be any file. A path from the root on is what it says.
 */
function judgeRun(subject: Subject, value: string, nowMs: number): Judgement {
  const whole = value.startsWith("/");
  const program = whole ? absoluteOf(subject.places, value, "/") : value;
  if (!whole && !mayRunAnything(subject, nowMs)) {
    const ruling = weigh(subject, execNeed([value], { open: true }), nowMs, true);
    if (!ruling.allowed) return ruling;
    const path = value.includes("/") ? null : programPath(value);
    return refused(
      `Cannot run "${shown(value)}" by that name: it could be any file of that name, write its whole path` +
        (path === null ? "" : `, "${path}"`),
    );
  }
  return weigh(subject, execNeed([program], { open: true }), nowMs);
}

function mayRunAnything({ authority }: Subject, nowMs: number): boolean {
  return authority.explain(execNeed([NOBODY], { open: true }), nowMs).allowed;
}

function programPath(name: string): string | null {
  return PROGRAMS.map((directory) => `${directory}/${name}`).find((path) => {
    try {
      return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
    } catch {
      // A name that no file can have, or a directory that may not be looked into.
      return false;
    }
  }) ?? null;
}

/** A library is native code inside the process itself. */
function judgeLibrary(subject: Subject, value: string, cwd: () => string | null, nowMs: number): Judgement {
  const at = isRelative(value) ? cwd() : "/";
  if (at === null) return refused(`Cannot load "${shown(value)}": write its whole path`);
  const path = absoluteOf(subject.places, value, at);
  return judgeNative(subject, `Cannot load the library "${shown(path)}"`, `ffi:${path}`, nowMs);
}

/** What programs can find out and do that run whatever they like. */
function judgeNative(subject: Subject, what: string, target: string, nowMs: number): Judgement {
  const judgement = weigh(subject, plainNeed("exec.shell", target), nowMs);
  if (judgement.allowed) return judgement;
  const rest = judgement.reason.indexOf(`: ${judgement.rule}`);
  return { ...judgement, reason: what + judgement.reason.slice(rest) };
}

/** @param looking Takes no use of a counted grant. */
function weigh({ authority, name }: Subject, need: Need, nowMs: number, looking = false): Judgement {
  const verdict: Verdict = looking ? authority.explain(need, nowMs) : authority.weigh(need, nowMs);
  if (verdict.allowed) return { allowed: true, reason: "", need, rule: verdict.rule };
  const { receipt } = verdict;
  const reason = `${verdict.reason}; to allow it: ${askFor(receipt, name)}`;
  return { allowed: false, reason, need, rule: receipt.rule };
}

function allowed(rule: string): Judgement {
  return { allowed: true, reason: "", need: null, rule };
}

function refused(reason: string): Judgement {
  return { allowed: false, reason, need: null, rule: "" };
}

/** A value as a part of a sentence: bounded, on one line. */
function shown(value: string): string {
  const short = value.length > 256 ? `${value.slice(0, 256)}…` : value;
  return short.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}
