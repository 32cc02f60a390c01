/**
 * Where sealed secrets become real.
 *
 * An agent holds placeholders. At the last moment, after everything was decided and checked, the kernel may replace
 * them in header values, for the host, method and header it knows. This happens for requests whose headers the
 * kernel sends itself; inside a tunnel the bytes are the agent's and nothing is touched.
 *
 * @module
 */
import { EgressError } from "./errors.ts";
import { type Header, isHeaderValue } from "./http1.ts";
import type { Target } from "./target.ts";

/** Where a header value is about to go. */
export interface SecretPlace {
  /** `http` or `https`: a secret meant for https must not leave in the clear. */
  readonly scheme: "http" | "https";
  /** Canonical host, see {@link Target}. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** As sent. */
  readonly method: string;
  /** The header's name, in lower case. */
  readonly header: string;
}

/**
 * Replaces what a place is granted, and leaves the rest of the value as it is.
 *
 * @throws Anything, to refuse the request; its message is what the agent reads, so it must not contain the secret.
 */
export type Substitute = (value: string, place: SecretPlace) => string;

/**
 * Puts the real values in.
 *
 * @returns The headers to send, and the names (lower case) of those that now carry a secret.
 * @throws {EgressError} `denied` or `bad_request`, never quoting a value.
 */
export function substituteHeaders(
  headers: readonly Header[],
  target: Target,
  method: string,
  substitute: Substitute | undefined,
): { readonly headers: readonly Header[]; readonly secret: ReadonlySet<string> } {
  const secret = new Set<string>();
  if (substitute === undefined || target.scheme === "tcp") return { headers, secret };
  const { scheme, host, port } = target;
  const replaced = headers.map((line): Header => {
    const header = line[0].toLowerCase();
    const value = substitute(line[1], { scheme, host, port, method, header });
    if (value === line[1]) return line;
    if (!isHeaderValue(value)) {
      throw new EgressError(
        "bad_request",
        `Cannot put a secret into the header "${header}": it contains a control character or is not Latin-1`,
      );
    }
    secret.add(header);
    return [line[0], value];
  });
  return { headers: replaced, secret };
}
