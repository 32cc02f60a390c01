/**
 * How secrets are kept: sealed with a key that is not in the database.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";

/** Bytes of the key in the key file. */
export const KEY_BYTES = 32;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

/** What is made of the one key, so that no two uses share a key. */
export class SealKey {
  readonly #sealing: Uint8Array;
  readonly #naming: Uint8Array;

  /** @param key {@link KEY_BYTES} random bytes. */
  constructor(key: Uint8Array) {
    this.#sealing = derive(key, "clove secrets: sealing");
    this.#naming = derive(key, "clove secrets: placeholders");
  }

  /**
   * Encrypts a value for one name: sealed under another name it does not open.
   *
   * @param nonce 12 bytes that were never used before.
   * @returns Nonce, ciphertext and tag.
   */
  seal(name: string, value: string, nonce: Uint8Array): Uint8Array {
    if (nonce.length !== NONCE_BYTES) throw new TypeError(`Cannot seal with ${nonce.length} bytes of nonce`);
    const cipher = createCipheriv(CIPHER, this.#sealing, nonce);
    cipher.setAAD(new TextEncoder().encode(name));
    const parts = [nonce, cipher.update(value, "utf8"), cipher.final(), cipher.getAuthTag()];
    return concat(parts);
  }

  /** Decrypts. Null when it was sealed with another key or for another name, or was changed. */
  open(name: string, sealed: Uint8Array): string | null {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv(CIPHER, this.#sealing, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(new TextEncoder().encode(name));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const body = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      return new TextDecoder().decode(concat([body, decipher.final()]));
    } catch {
      // The one thing `final` throws for is a tag that does not fit.
      return null;
    }
  }

  /** What stands for a secret with one holder: the same each time, and no use to anybody else. Lower-case hex. */
  token(holder: string, name: string): string {
    return createHmac("sha256", this.#naming).update(`${holder}\0${name}`).digest("hex").slice(0, TOKEN_HEX);
  }
}

/** Characters of {@link SealKey.token}: 160 bits. */
export const TOKEN_HEX = 40;

function derive(key: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, new Uint8Array(0), purpose, 32));
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
