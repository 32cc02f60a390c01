/**
 * Signed places of the chain. The chain alone shows only that it was made in one go; who can write the database could
 * make another. A seal shows that the holder of the key saw the chain like this.
 *
 * @module
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { sign as signBytes, verify as verifyBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Link } from "./chain.ts";

/**
 * Why a seal was made: `start`: older lines were dropped by retention, the chain begins after this place;
 * `open`: a kernel took the log up; `head`: lines up to here, at intervals; `closed`: the kernel stopped in order.
 */
export const SEAL_KINDS = ["start", "open", "head", "closed"] as const;

/** One of {@link SEAL_KINDS}. */
export type SealKind = (typeof SEAL_KINDS)[number];

/** A signed place of a chain. */
export interface Seal extends Link {
  readonly kind: SealKind;
  /** Counts the seals of one log, from 1. */
  readonly number: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** 64 bytes, Ed25519. */
  readonly signature: Uint8Array;
}

/** Makes seals. */
export class Sealer {
  /** First 16 hexadecimal digits of SHA-256 over the public key: for people to compare. */
  readonly fingerprint: string;
  readonly #private: KeyObject;
  readonly #public: KeyObject;

  /** @param privateKey Ed25519. */
  constructor(privateKey: KeyObject) {
    this.#private = privateKey;
    this.#public = createPublicKey(privateKey);
    this.fingerprint = fingerprintOf(this.#public);
  }

  /** With a new key that is nowhere stored. */
  static ephemeral(): Sealer {
    return new Sealer(generateKeyPairSync("ed25519").privateKey);
  }

  /**
   * With the key in a file of mode 0600, which is made if `create` is true.
   *
   * @throws {Error} When the file is missing, is no key, or others may read it.
   */
  static fromFile(path: string, create: boolean): Sealer {
    if (create) {
      const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
      Deno.writeTextFileSync(path, pem as string, { createNew: true, mode: 0o600 });
    }
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new Error(
        `Cannot use the audit key "${path}": others may read it (mode ${
          (mode & 0o777).toString(8)
        }), chmod 600 it if nobody has`,
      );
    }
    let key: KeyObject;
    try {
      key = createPrivateKey(Deno.readTextFileSync(path));
    } catch (cause) {
      throw new Error(`Cannot use the audit key "${path}": it is no private key, restore it`, { cause });
    }
    if (key.asymmetricKeyType !== "ed25519") {
      throw new Error(`Cannot use the audit key "${path}": it is ${key.asymmetricKeyType}, not ed25519`);
    }
    return new Sealer(key);
  }

  /** Signs a place. */
  seal(logId: string, place: Omit<Seal, "signature">): Seal {
    const { id, hash, kind, number, at } = place;
    return { id, hash, kind, number, at, signature: signBytes(null, statement(logId, place), this.#private) };
  }

  /** Whether this key signed that. */
  holds(logId: string, seal: Seal): boolean {
    return seal.signature.length === 64 &&
      verifyBytes(null, statement(logId, seal), this.#public, seal.signature);
  }
}

function fingerprintOf(key: KeyObject): string {
  return createHash("sha256").update(key.export({ type: "spki", format: "der" })).digest("hex").slice(0, 16);
}

function statement(logId: string, { id, hash, kind, number, at }: Omit<Seal, "signature">): Uint8Array {
  return Buffer.from(`clove audit seal 1\n${logId}\n${number}\n${kind}\n${id}\n${hex(hash)}\n${at}\n`);
}

/** Bytes as hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** One seal as a line of text, for the file beside the database. */
export function formatSeal(seal: Seal): string {
  return `${
    JSON.stringify({
      ...seal,
      hash: hex(seal.hash),
      signature: Buffer.from(seal.signature).toString("base64"),
    })
  }\n`;
}

/** Reads what {@link formatSeal} wrote; null when it is something else. */
export function parseSeal(text: string): Seal | null {
  try {
    const { id, hash, kind, number, at, signature } = JSON.parse(text);
    if (!Number.isSafeInteger(id) || !Number.isSafeInteger(number) || !SEAL_KINDS.includes(kind)) return null;
    return {
      id,
      kind,
      number,
      at,
      hash: new Uint8Array(Buffer.from(hash, "hex")),
      signature: new Uint8Array(Buffer.from(signature, "base64")),
    };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
