/**
 * The shapes in which a secret could appear in text that is about to be kept.
 *
 * @module
 */

/** A value as it is, as JSON writes it, as URLs write it, and in base64. The longest first. */
export function formsOf(value: string): readonly string[] {
  const bytes = new TextEncoder().encode(value);
  const forms = [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    new URLSearchParams([["", value]]).toString().slice(1),
    // As a part of something longer the first and last characters depend on the neighbours: the middle does not.
    ...[0, 1, 2].map((shift) => base64Middle(bytes, shift)),
    ...[0, 1, 2].map((shift) => base64Middle(bytes, shift).replaceAll("+", "-").replaceAll("/", "_")),
  ];
  return [...new Set(forms)].filter((form) => form.length >= SHORTEST).sort((a, b) => b.length - a.length);
}

/** Shorter texts would be found everywhere. */
const SHORTEST = 6;

/** The characters of base64 that the bytes alone decide, when `shift` bytes stand before them. */
function base64Middle(bytes: Uint8Array, shift: number): string {
  const skip = (3 - shift) % 3;
  const whole = Math.floor((bytes.length - skip) / 3) * 3;
  return whole <= 0 ? "" : bytes.slice(skip, skip + whole).toBase64();
}
