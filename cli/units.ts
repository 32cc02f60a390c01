/**
 * Amounts as people write them.
 *
 * @module
 */
import { UsageError } from "./exit.ts";

const BYTES: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };
const SECONDS: Readonly<Record<string, number>> = { "": 1, ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Reads `256M`, `1.5GiB`, `1048576`: powers of 1024.
 *
 * @returns Bytes, whole.
 * @throws {UsageError} When it is none.
 */
export function parseBytes(option: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = Math.round(Number(number) * (BYTES[(unit ?? "").toUpperCase()] ?? NaN));
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UsageError(`Cannot use ${option} "${text}": it is no size, write one such as 256M or 2G`);
}

/**
 * Reads `500ms`, `30s`, `5m`, `1h`, or a number of seconds.
 *
 * @returns Seconds, with fractions.
 * @throws {UsageError} When it is none.
 */
export function parseSeconds(option: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  const seconds = Number(number) * (SECONDS[unit ?? ""] ?? NaN);
  if (Number.isFinite(seconds)) return seconds;
  throw new UsageError(`Cannot use ${option} "${text}": it is no time, write one such as 500ms, 30s or 5m`);
}

/**
 * Reads a number.
 *
 * @throws {UsageError} When it is none, is not above zero, or has to be whole and is not.
 */
export function parseNumber(option: string, text: string, whole: boolean): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value > 0 && (!whole || Number.isSafeInteger(value))) return value;
  const example = whole ? "64" : "0.5";
  throw new UsageError(
    `Cannot use ${option} "${text}": it is no ${whole ? "whole " : ""}number above 0, such as ${example}`,
  );
}

/** Bytes for people: `12.3 MiB`. */
export function showBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    value /= 1024;
    if (value < 1024) return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return `${(value / 1024).toFixed(1)} TiB`;
}

/** A length of time for people: its two largest parts. */
export function showSeconds(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  if (whole < 86_400) {
    return `${Math.floor(whole / 3600)}h${String(Math.floor(whole / 60) % 60).padStart(2, "0")}m`;
  }
  return `${Math.floor(whole / 86_400)}d${String(Math.floor(whole / 3600) % 24).padStart(2, "0")}h`;
}
