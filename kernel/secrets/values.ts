/**
 * What may be a secret, and under which name.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import { isHeaderValue } from "../egress/http1.ts";
import { LIMITS } from "../limits.ts";

/** Anything shorter cannot be told from other text when it has to be kept out of a recording. */
const SHORTEST = 8;

/** Variables that mean something to the system, the kernel or a program's loader: no agent's may become a placeholder. */
const TAKEN =
  /^(?:PATH|HOME|LANG|USER|LOGNAME|SHELL|PWD|TERM|TZ|TMPDIR|IFS|ENV|BASH_ENV|LC_.*|.*_PROXY|CLOVE_.*|DENO_.*|LD_.*|DYLD_.*|NODE_.*|V8_.*|NPM_CONFIG_.*|GLIBC_TUNABLES|MALLOC_.*)$/i;

/**
 * Refuses what is no name. An agent sees the name as a variable.
 *
 * @throws {SyscallError} `bad_request`.
 */
export function checkName(name: string): void {
  const why = !/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name)
    ? `a name is 1 to ${LIMITS.nameChars} letters, digits and underscores`
    : TAKEN.test(name)
    ? "agents have a variable of that name for something else"
    : null;
  if (why) {
    throw new SyscallError(
      "bad_request",
      `Cannot keep the secret ${JSON.stringify(name.slice(0, 80))}: ${why}`,
    );
  }
}

/**
 * Refuses what no header could carry. Never quotes the value.
 *
 * @throws {SyscallError} `bad_request` or `limit`.
 */
export function checkValue(value: string): void {
  if (value.length > LIMITS.secretBytes) {
    throw new SyscallError("limit", `Cannot keep a secret of more than ${LIMITS.secretBytes} characters`);
  }
  const why = value.length < SHORTEST
    ? `it is shorter than ${SHORTEST} characters`
    : !isHeaderValue(value)
    ? "it contains a control character or is not Latin-1, so no header could carry it"
    : value !== value.trim()
    ? "it begins or ends with white space"
    : null;
  if (why) throw new SyscallError("bad_request", `Cannot keep this value as a secret: ${why}`);
}
