/**
 * Keeps secrets out of recordings: values are replaced before anything is written.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Replaces what must not be kept; gives the same text back when there is nothing to replace. */
export type Redact = (text: string) => string;

/** Names of variables whose values are not kept. */
const SECRET_NAMES = /(?:KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|COOKIE|SESSION|PRIVATE)/i;

/** Shorter values would be found everywhere. */
const SHORTEST_VALUE = 6;

/** True when a variable's name says that its value is secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAMES.test(name);
}

/** Replaces the values of variables whose names say that they are secret, wherever they appear. */
export function redactVariables(env: Readonly<Record<string, string>>): Redact {
  const secrets = Object.entries(env)
    .filter(([name, value]) => isSecretName(name) && value.length >= SHORTEST_VALUE)
    // A value that contains another is replaced whole.
    .sort(([, a], [, b]) => b.length - a.length);
  if (secrets.length === 0) return (text) => text;
  return (text) => {
    for (const [name, value] of secrets) text = text.replaceAll(value, `[redacted: ${name}]`);
    return text;
  };
}

/** Redacts every string of a JSON value, keys included. */
export function redactJson(value: unknown, redact: Redact): unknown {
  if (typeof value === "string") return redact(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((inner) => redactJson(inner, redact));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [redact(key), redactJson(inner, redact)]),
  );
}

/** Redacts raw bytes as far as they are text. */
export function redactBytes(bytes: Uint8Array, redact: Redact): Uint8Array {
  // Each byte a character of its own: whatever the bytes are, they come back.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const redacted = redact(text);
  return redacted === text ? bytes : Buffer.from(redacted, "latin1");
}
