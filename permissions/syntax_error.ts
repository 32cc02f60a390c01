import { printable } from "./text.ts";

/** Characters of the faulty line that a message repeats on either side of the fault. */
const AROUND = 60;

/** A policy text that cannot be read. The message shows the line, with a caret under the character. */
export class PolicySyntaxError extends Error {
  /** Always `PolicySyntaxError`. */
  override readonly name = "PolicySyntaxError";
  /** The faulty line, counted from 1; in a list of rules, the lines of all of them in order. */
  readonly line: number;
  /** The faulty character within the line, counted from 1. */
  readonly column: number;
  /** What is wrong there, as a part of a sentence. */
  readonly problem: string;

  /**
   * @param text The faulty line.
   * @param line Its number, from 1.
   * @param column The faulty character, from 1.
   * @param problem What is wrong, and what to write instead.
   */
  constructor(text: string, line: number, column: number, problem: string) {
    const from = Math.max(0, column - 1 - AROUND);
    const before = printable(text.slice(from, column - 1));
    const after = printable(text.slice(column - 1, column - 1 + AROUND));
    super(
      `Cannot read the policy at line ${line}, column ${column}: ${problem}\n` +
        `  ${before}${after}\n  ${" ".repeat(before.length)}^`,
    );
    this.line = line;
    this.column = column;
    this.problem = problem;
  }
}

/** A pattern that cannot be compiled; the parser turns it into a {@linkcode PolicySyntaxError}. */
export class PatternError extends Error {
  /** Always `PatternError`. */
  override readonly name = "PatternError";
  /** The faulty character within the pattern, counted from 0. */
  readonly at: number;

  /**
   * @param problem What is wrong, as a part of a sentence.
   * @param at The faulty character, from 0.
   */
  constructor(problem: string, at: number) {
    super(problem);
    this.at = at;
  }
}
