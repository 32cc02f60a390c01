import { classify, isInside, parseAddress } from "./address.ts";
import { canonicalHost } from "./host.ts";
import { globEscape } from "./glob.ts";
import { isPrintable, quoted, shown } from "./text.ts";
import type { Capability } from "./vocabulary.ts";
import { formatWord } from "./words.ts";

/** What a call to a model takes, or has taken. */
export interface Amount {
  /** Calls. */
  readonly calls?: number;
  /** Tokens, in and out together. */
  readonly tokens?: number;
  /** Cost in US dollars. */
  readonly usd?: number;
}

/** Where bytes would go. */
export interface NetTarget {
  /** `tcp` where nobody knows what will be spoken. */
  readonly scheme: "http" | "https" | "tcp";
  /** Canonical: lower case, IDNA, no trailing dot, addresses in their one form and without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Path of a URL, without query and fragment; absent where only a connection is asked for. */
  readonly path?: string;
  /**
   * `opaque`: method and path will not be seen, so rules that limit them cannot be kept and do not match.
   * `inspected`: a proxy of ours will see them and weigh again, so such rules match here already.
   */
  readonly tunnel?: "opaque" | "inspected";
  /** The address the host was resolved to, once it is known. */
  readonly address?: string;
}

/** The children an agent would have after a spawn. */
export interface Offspring {
  /** Living children of the agent that asks, the new one included. */
  readonly count: number;
  /** How many levels below the holder of the rule the new one would be; 1 for its own child. */
  readonly depth: number;
}

/** One right that an act requires. */
export interface Need {
  /** The kind of right. */
  readonly capability: Capability;
  /** What it is about: a resolved path, a command, a URL without query, a name. */
  readonly target: string;
  /** HTTP method, upper case. */
  readonly method?: string;
  /** The command as it would be executed. */
  readonly argv?: readonly string[];
  /** Arguments will follow that nobody sees: rules that limit them cannot be kept and do not match. */
  readonly open?: true;
  /** Where a `net` need goes, and where a secret would. */
  readonly url?: NetTarget;
  /** The header that a secret would be put into, lower case. */
  readonly header?: string;
  /** What a `think` need takes. */
  readonly amount?: Amount;
  /** What a `spawn` need leads to. */
  readonly offspring?: Offspring;
}

/**
 * The need to read or write a file.
 *
 * @param resolvedPath Absolute, every link resolved; anything else is refused when it is weighed.
 */
export function fileNeed(capability: "fs.read" | "fs.write", resolvedPath: string): Need {
  const slash = resolvedPath.length > 1 && resolvedPath.endsWith("/");
  return { capability, target: slash ? resolvedPath.slice(0, -1) : resolvedPath };
}

/**
 * The need to run a program: `argv[0]` is a bare name or an absolute path.
 *
 * @param options `open`: further arguments will follow that nobody sees.
 */
export function execNeed(argv: readonly string[], options: { readonly open?: boolean } = {}): Need {
  return {
    capability: "exec",
    target: argv.map((word) => formatWord(word)).join(" "),
    argv: [...argv],
    ...(options.open ? { open: true } : {}),
  };
}

/**
 * The need to make an HTTP request.
 *
 * @param url An absolute http or https URL. Credentials, query and fragment take no part and are not repeated.
 * @param method Any case.
 * @throws {TypeError} On what is no http or https URL, and on a method that is no HTTP token.
 */
export function netNeed(url: string | URL, method = "GET"): Need {
  const parsed = typeof url === "string" ? URL.parse(url) : url;
  if (parsed === null) {
    throw new TypeError(
      `Cannot request ${shown(String(url))}: it is not an absolute URL, write https://host/path`,
    );
  }
  const scheme = parsed.protocol.slice(0, -1);
  if (scheme !== "http" && scheme !== "https") {
    throw new TypeError(
      `Cannot request ${shown(parsed.href)}: the scheme ${shown(scheme)} is not http or https`,
    );
  }
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(method)) {
    throw new TypeError(`Cannot request with method ${shown(method)}: it is not an HTTP token`);
  }
  const host = canonicalHost(parsed.hostname);
  const port = parsed.port === "" ? (scheme === "http" ? 80 : 443) : Number(parsed.port);
  return {
    capability: "net",
    target: origin(scheme, host, port) + parsed.pathname,
    method: method.toUpperCase(),
    url: { scheme, host, port, path: parsed.pathname },
  };
}

/**
 * The need to open a connection of which only host and port are known: a CONNECT tunnel, SOCKS, a socket.
 *
 * @param scheme `tcp` unless something better is known.
 * @param host A name or an address in any form a URL takes; IPv6 with or without brackets.
 * @param port 1 to 65535.
 * @param options `inspected`: method and path will be weighed later, by a proxy that sees them.
 * @throws {TypeError} On a host or a port that is none.
 */
export function connectNeed(
  scheme: "http" | "https" | "tcp",
  host: string,
  port: number,
  options: { readonly inspected?: boolean } = {},
): Need {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new TypeError(`Cannot connect to port ${port}: it is not a whole number from 1 to 65535`);
  }
  const canonical = canonicalHost(host);
  return {
    capability: "net",
    target: origin(scheme, canonical, port),
    url: { scheme, host: canonical, port, tunnel: options.inspected ? "inspected" : "opaque" },
  };
}

/** The same need, with the address its host was resolved to. */
export function withAddress(need: Need, address: string): Need {
  return need.url === undefined ? need : { ...need, url: { ...need.url, address } };
}

/** The need to see an environment variable. */
export function envNeed(name: string): Need {
  return { capability: "env", target: name };
}

/**
 * The need to start an agent.
 *
 * @param options `interpreter`: the program that would run, as a bare name or an absolute path; `count`: living
 *   children afterwards, the new one included; `depth`: 1 for a child of the agent that asks (the default).
 */
export function spawnNeed(options: { interpreter: string; count?: number; depth?: number }): Need {
  const { interpreter, count = 1, depth = 1 } = options;
  return { capability: "spawn", target: interpreter, offspring: { count, depth } };
}

/** The need to call a model. */
export function thinkNeed(model: string, amount: Amount = {}): Need {
  return { capability: "think", target: model, amount };
}

/** Where a secret would be put in. */
export interface SecretUse {
  readonly scheme: "http" | "https";
  /** Canonical, see {@linkcode NetTarget}. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** HTTP method, any case. */
  readonly method: string;
  /** The header's name, any case. */
  readonly header: string;
}

/**
 * The need to have a sealed secret put in.
 *
 * @param name Its name.
 * @param use Where; absent to ask only whether any rule is about it, which is what a placeholder takes.
 */
export function secretNeed(name: string, use?: SecretUse): Need {
  if (use === undefined) return { capability: "secret", target: name };
  const { scheme, host, port, method, header } = use;
  return {
    capability: "secret",
    target: name,
    method: method.toUpperCase(),
    header: header.toLowerCase(),
    url: { scheme, host, port },
  };
}

/**
 * A need that is a name and nothing more, such as `ipc:worker` or `admin:kill`.
 *
 * @throws {TypeError} For `exec` and `net`, which have more to say: {@linkcode execNeed}, {@linkcode netNeed}.
 */
export function plainNeed(capability: Capability, target: string): Need {
  if (capability === "exec" || capability === "net") {
    throw new TypeError(`Cannot make a plain need of ${shown(capability)}: use ${capability}Need`);
  }
  return { capability, target };
}

/** Writes a need as the rule that grants it and nothing else, such as `fs.read:/etc/shadow`. */
export function formatNeed(need: Need): string {
  switch (need.capability) {
    case "exec":
      return `exec:${need.argv === undefined ? "" : need.argv.map((word) => formatWord(word)).join(" ")}`;
    case "net":
      return need.url === undefined ? `net:${formatPattern(need.target)}` : formatNet(need, need.url);
    case "secret":
      return `secret:${formatPattern(globEscape(need.target))}${formatUse(need)}`;
    case "spawn": {
      const { count = 1, depth = 1 } = need.offspring ?? {};
      return `spawn:${formatPattern(globEscape(need.target))} count=${count} depth=${depth}`;
    }
    case "think": {
      const limits = Object.entries(need.amount ?? {}).map(([unit, value]) => ` ${unit}=${value}`);
      return `think:${formatPattern(globEscape(need.target))}${limits.join("")}`;
    }
    default:
      return `${need.capability}:${formatPattern(globEscape(need.target))}`;
  }
}

/** Writes a pattern as it stands in a rule: bare, or quoted where blanks or invisible characters ask for it. */
export function formatPattern(pattern: string): string {
  return pattern !== "" && !/[\s"#\\]/.test(pattern) && isPrintable(pattern) ? pattern : quoted(pattern);
}

function formatUse({ url, method, header }: Need): string {
  return url === undefined
    ? ""
    : ` host=${origin(url.scheme, url.host, url.port)} method=${method} header=${header}`;
}

function formatNet(need: Need, url: NetTarget): string {
  const where = origin(url.scheme, url.host, url.port);
  const address = url.address === undefined ? null : parseAddress(url.address);
  return `net:${where}` + (need.method === undefined ? "" : ` ${need.method}`) +
    (url.path === undefined ? "" : ` ${formatPattern(globEscape(url.path))}`) +
    (address !== null && isInside(classify(address)) ? " private" : "");
}

/** Writes scheme, host and port, the port only where it is not the scheme's own. */
function origin(scheme: string, host: string, port: number): string {
  const usual = (scheme === "http" && port === 80) || (scheme === "https" && port === 443);
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}${usual ? "" : `:${port}`}`;
}
