/**
 * The environment of an agent: a few fixed variables, those of its request, and nothing of the kernel's.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import type { ProgramKind } from "./program.ts";
import { PROGRAM_PATH } from "./program.ts";

/** A request may set so many. */
const MOST_VARIABLES = 256;
/** Names and values together; the system's own bound for one string is 128 KiB. */
const MOST_BYTES = 128 * 1024;
/** Variables that change what Deno or the dynamic linker does, and would so undo Deno's permissions. */
const UNDOING = /^(?:DENO_|LD_|DYLD_|NODE_|V8_|NPM_CONFIG_|GLIBC_TUNABLES$|MALLOC_)/i;

/**
 * Checks the variables of a request.
 *
 * @throws {SyscallError} `bad_request` on a name that is none, on one the kernel sets itself, and for a Deno agent on
 *   one that would change what Deno allows.
 */
export function checkEnvironment(given: Readonly<Record<string, string>>, kind: ProgramKind): void {
  const entries = Object.entries(given);
  let bytes = 0;
  for (const [name, value] of entries) {
    const why = refusal(name, value, kind);
    if (why) throw new SyscallError("bad_request", `Cannot set the variable "${name.slice(0, 64)}": ${why}`);
    bytes += name.length + value.length;
  }
  if (entries.length > MOST_VARIABLES || bytes > MOST_BYTES) {
    throw new SyscallError(
      "limit",
      `Cannot set ${entries.length} variables of ${bytes} characters: at most ${MOST_VARIABLES} of ${MOST_BYTES}`,
    );
  }
}

function refusal(name: string, value: string, kind: ProgramKind): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,255}$/.test(name)) return "a name is letters, digits and underscores";
  if (value.includes("\0")) return "its value has a zero byte";
  if (name.startsWith("CLOVE_")) return "the kernel sets the variables that begin with CLOVE_";
  if (kind === "deno" && UNDOING.test(name)) return "it would change what Deno allows the agent";
  return null;
}

/** What the fixed variables are made of; paths as seen inside. */
export interface EnvironmentFacts {
  readonly id: number;
  readonly name: string;
  readonly home: string;
  readonly socket: string;
  readonly tmp: string;
  /** Null unless Deno runs the agent. */
  readonly denoDir: string | null;
  /** Where Deno asks for permission; absent where its flags tell it. */
  readonly broker?: string;
}

/** The whole environment. The request's variables win over PATH, HOME and LANG, not over the kernel's own. */
export function environmentOf(
  facts: EnvironmentFacts,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    PATH: PROGRAM_PATH,
    HOME: facts.home,
    LANG: "C.UTF-8",
    ...(facts.tmp === "/tmp" ? {} : { TMPDIR: facts.tmp }),
    ...given,
    ...(facts.denoDir === null ? {} : { DENO_DIR: facts.denoDir, DENO_NO_UPDATE_CHECK: "1" }),
    // Deno warns on every start that brokers are experimental; only its errors belong into an agent's output.
    ...(facts.broker === undefined
      ? {}
      : { DENO_PERMISSION_BROKER_PATH: facts.broker, DENO_LOG: "info,deno=error" }),
    CLOVE_SOCKET: facts.socket,
    CLOVE_AGENT_ID: String(facts.id),
    CLOVE_AGENT_NAME: facts.name,
    CLOVE_FD: "3",
  };
}
