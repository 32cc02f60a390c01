/**
 * The file in which a run's policy is kept: rules with what speaks for each, and what could not be learned.
 *
 * @module
 */
import type { Exit, Wall } from "../agents/launch.ts";
import type { Evidence } from "./evidence.ts";
import type { Rule } from "./rules.ts";

/** What is written. */
export interface Learned {
  readonly rules: readonly Rule[];
  readonly evidence: Evidence;
  /** Whether uses of files by native programs were seen. */
  readonly watched: boolean;
  /** How the run ended. */
  readonly exit: Exit | null;
  /** Walls that did not stand. */
  readonly missing: readonly Wall[];
}

/** Files looked for in vain that are listed. */
const MOST_UNSEEN = 20;

/** JSON, to be read by people and by `--policy`. */
export function learnedText({ rules, evidence, watched, exit, missing }: Learned): string {
  const unseen = [...evidence.unseen].slice(0, MOST_UNSEEN).map(([path, { count }]) => ({ path, count }));
  const notes = [
    ...(exit !== null && exit.code !== 0
      ? [`The run did not succeed: it ${exit.cause}. The rules allow what it did until then.`]
      : []),
    ...(watched
      ? []
      : ["Files and programs that native programs used were not seen: that takes seccomp and mounts."]),
    ...(missing.includes("landlock")
      ? [
        "There is no Landlock: rules about files hold native programs to whole mounts, those about programs not at all.",
      ]
      : []),
    ...(evidence.dropped > 0
      ? [`${evidence.dropped} uses were not kept: there were too many different ones.`]
      : []),
  ];
  return `${
    JSON.stringify(
      { rules, ...(unseen.length > 0 ? { unseen } : {}), ...(notes.length > 0 ? { notes } : {}) },
      null,
      2,
    )
  }\n`;
}
