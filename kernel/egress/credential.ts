/**
 * The proof that a client of a proxy is its agent, for proxies that others can reach too.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { headerOf } from "./headers.ts";
import type { Header } from "./http1.ts";

/** A user name and a password, kept as a hash. */
export class Credential {
  readonly #hash: Uint8Array;

  /** @param user Without a colon. @param password ASCII. */
  constructor(user: string, password: string) {
    this.#hash = hashOf(`${user}:${password}`);
  }

  /** Whether these are the ones. Takes the same time whatever they are. */
  matches(user: string, password: string): boolean {
    return timingSafeEqual(this.#hash, hashOf(`${user}:${password}`));
  }

  /** Whether a request's Proxy-Authorization (Basic, RFC 7617) holds them. */
  inHeaders(headers: readonly Header[]): boolean {
    const [, encoded] = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(headerOf(headers, "proxy-authorization") ?? "") ??
      [];
    if (encoded === undefined) return false;
    const text = Buffer.from(encoded, "base64").toString("latin1");
    const colon = text.indexOf(":");
    return colon >= 0 && this.matches(text.slice(0, colon), text.slice(colon + 1));
  }
}

function hashOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
