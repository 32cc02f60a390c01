/**
 * An act as a person writes it, turned into what the algebra weighs: `fs.read:/etc/shadow`,
 * `net:https://host/path POST`, `exec:git status -s`.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import {
  CAPABILITIES,
  type Capability,
  connectNeed,
  envNeed,
  execNeed,
  fileNeed,
  type Need,
  netNeed,
  plainNeed,
  secretNeed,
  spawnNeed,
  thinkNeed,
} from "../../../permissions/mod.ts";
import { splitWords } from "../../exec/words.ts";

/**
 * Reads an act.
 *
 * @throws {SyscallError} `bad_request` when it is none.
 */
export function readNeed(text: string): Need {
  const colon = text.indexOf(":");
  const capability = text.slice(0, Math.max(0, colon));
  const target = text.slice(colon + 1).trim();
  if (!isCapability(capability) || target === "") {
    throw bad(
      text,
      `write CAPABILITY:TARGET, such as "fs.read:/etc/hosts"; there are ${CAPABILITIES.join(", ")}`,
    );
  }
  try {
    return needOf(capability, target);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new SyscallError("bad_request", `invalid request: ${cause.message}`, { cause });
  }
}

function needOf(capability: Capability, target: string): Need {
  switch (capability) {
    case "fs.read":
    case "fs.write":
      return fileNeed(capability, target);
    case "exec":
      return execNeed(splitWords(target));
    case "net":
      return netOf(target);
    case "env":
      return envNeed(target);
    case "spawn":
      return spawnNeed({ interpreter: target });
    case "think":
      return thinkNeed(target);
    case "secret":
      return secretNeed(target);
    default:
      return plainNeed(capability, target);
  }
}

/** `URL`, `URL METHOD`, `URL METHOD PATH` as receipts write it, or `HOST:PORT` for a mere connection. */
function netOf(target: string): Need {
  const [place, method, path, ...rest] = target.split(/\s+/);
  if (rest.length > 0) throw bad(target, 'a request is written "https://host/path METHOD"');
  if (/^https?:\/\//i.test(place!)) {
    if (path !== undefined && !path.startsWith("/")) throw bad(target, "a path begins with a slash");
    return netNeed(path === undefined ? place! : new URL(path, place), method);
  }
  const [, host, port] = /^(?:tcp:\/\/)?(.+):(\d{1,5})$/.exec(place!) ?? [];
  if (host === undefined || method !== undefined) {
    throw bad(target, 'write a URL with http or https, or "host:port" for a connection');
  }
  return connectNeed("tcp", host, Number(port));
}

function isCapability(word: string): word is Capability {
  return (CAPABILITIES as readonly string[]).includes(word);
}

function bad(text: string, why: string): SyscallError {
  return new SyscallError(
    "bad_request",
    `invalid request: Cannot read ${JSON.stringify(text.slice(0, 128))}: ${why}`,
  );
}
