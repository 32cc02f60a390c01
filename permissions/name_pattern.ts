import { Glob } from "./glob.ts";
import { formatPattern, type Need } from "./need.ts";
import type { Pattern } from "./pattern.ts";
import { programMatches } from "./program.ts";
import { PatternError } from "./syntax_error.ts";

/** A pattern for names: of models, variables, agents, keys. `*` takes any characters, `/` too. */
export class NamePattern implements Pattern {
  readonly text: string;
  readonly glob: Glob;

  /** @throws {PatternError} If it is empty or no glob. */
  constructor(text: string) {
    if (text === "") throw new PatternError('a pattern is missing after the colon, write "*" for all', 0);
    this.glob = new Glob(text);
    this.text = formatPattern(text);
  }

  get all(): boolean {
    return this.glob.all;
  }

  allows(need: Need): boolean {
    return this.glob.matches(need.target);
  }

  denies(need: Need): boolean {
    return this.glob.matches(need.target);
  }

  covers(other: Pattern): boolean {
    return other instanceof NamePattern && this.glob.covers(other.glob);
  }

  spares(other: Pattern): boolean {
    return other instanceof NamePattern && this.glob.disjoint(other.glob);
  }
}

/** A pattern for the program of a spawned agent, judged as the first word of a command is. */
export class ProgramPattern extends NamePattern {
  override allows(need: Need): boolean {
    return this.all || programMatches(this.glob, need.target, "system");
  }

  override denies(need: Need): boolean {
    return this.all || programMatches(this.glob, need.target, "anywhere");
  }

  /** A deny by bare name reaches into every directory: only equal kinds of names can be told apart. */
  override spares(other: Pattern): boolean {
    return other instanceof NamePattern && !this.glob.text.includes("/") && !other.glob.text.includes("/") &&
      this.glob.disjoint(other.glob);
  }
}
