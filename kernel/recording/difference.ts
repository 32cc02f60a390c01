/**
 * What is different between a recorded call and the one that was made instead.
 *
 * @module
 */
import { canonical } from "./format.ts";
import type { CallBody } from "./wire_lines.ts";

/** One place in the arguments at which they differ. */
export interface Difference {
  /** Such as `params.value.n`. */
  readonly path: string;
  /** As JSON; absent where there was nothing. */
  readonly expected?: string;
  readonly actual?: string;
}

/** More places would not be read. */
const MOST = 50;
/** A long value is shown by its beginning. */
const VALUE_CHARS = 400;

/** True when both are the same call with the same arguments, in whatever order their keys came. */
export function sameCall(a: CallBody, b: CallBody): boolean {
  return a.opcode === b.opcode && a.raw === b.raw && a.tail === b.tail &&
    canonical(a.params) === canonical(b.params);
}

/** Every place at which two calls differ, at most 50. */
export function differences(expected: CallBody, actual: CallBody): Difference[] {
  const found: Difference[] = [];
  walk("name", expected.name, actual.name, found);
  walk("params", expected.params, actual.params, found);
  walk("raw", expected.raw, actual.raw, found);
  walk("tail", expected.tail, actual.tail, found);
  return found.slice(0, MOST);
}

function walk(path: string, expected: unknown, actual: unknown, found: Difference[]): void {
  if (found.length >= MOST || canonical(expected) === canonical(actual)) return;
  if (isBranch(expected) && isBranch(actual) && Array.isArray(expected) === Array.isArray(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      walk(`${path}.${key}`, own(expected, key), own(actual, key), found);
    }
    return;
  }
  found.push({
    path,
    ...(expected === undefined ? {} : { expected: short(expected) }),
    ...(actual === undefined ? {} : { actual: short(actual) }),
  });
}

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function own(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function short(value: unknown): string {
  const text = canonical(value);
  return text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS)}…` : text;
}
