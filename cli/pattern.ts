/**
 * Finding text in what agents wrote. They could write lines that keep a backtracking matcher busy for hours, so this
 * one follows all possibilities at once, as Thompson described it (CACM 11:6, 1968): its time grows with the length of
 * the line times that of the pattern, and never more.
 *
 * Known: `.` `[a-z]` `[^…]` `\d \w \s \D \W \S \b \B` `^` `$` `(…)` `(?:…)` `|` `*` `+` `?` `{2,5}`. What remembers or
 * looks around (`\1`, `(?=…)`) is refused: that cannot be done in one pass.
 *
 * @module
 */
import { UsageError } from "./exit.ts";

/** Steps of one pattern; `{1000}` of something long has more. */
const MOST_STEPS = 10_000;
const MOST_REPEATS = 1_000;

type Test = (code: number) => boolean;

/** A step of the machine. `to` and `or` are where it goes on. */
type Step =
  | { readonly do: "test"; readonly test: Test }
  | { readonly do: "split"; to: number; or: number }
  | { readonly do: "assert"; readonly holds: (before: number, after: number) => boolean }
  | { readonly do: "found" };

/** A pattern as a tree. */
type Node =
  | { readonly is: "test"; readonly test: Test }
  | { readonly is: "assert"; readonly holds: (before: number, after: number) => boolean }
  | { readonly is: "all"; readonly nodes: readonly Node[] }
  | { readonly is: "any"; readonly nodes: readonly Node[] }
  | { readonly is: "repeat"; readonly node: Node; readonly min: number; readonly max: number };

/** No character: before the first and after the last. */
const NONE = -1;

const isWord: Test = (code) =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122);
const isDigit: Test = (code) => code >= 48 && code <= 57;
const isSpace: Test = (code) => code === 32 || (code >= 9 && code <= 13) || code === 0xa0;
const not = (test: Test): Test => (code) => !test(code);
const CLASSES: Readonly<Record<string, Test>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 };

/**
 * Reads a pattern: `/…/` and `/…/i` are regular expressions, anything else is text that a line holds.
 *
 * @returns Tells whether a line fits.
 * @throws {UsageError} When it is no regular expression, or one of a kind that is not known here.
 */
export function parsePattern(option: string, text: string): (line: string) => boolean {
  const [, source, flags] = /^\/(.*)\/(i?)$/s.exec(text) ?? [];
  if (source === undefined) return (line) => line.includes(text);
  const parser = new Parser(option, text, source, flags === "i");
  return machine(compile(parser.parse(), () => parser.fail("it is too long")));
}

class Parser {
  readonly #option: string;
  readonly #text: string;
  readonly #source: readonly string[];
  readonly #fold: boolean;
  #at = 0;
  #depth = 0;

  constructor(option: string, text: string, source: string, fold: boolean) {
    this.#option = option;
    this.#text = text;
    this.#source = [...source];
    this.#fold = fold;
  }

  fail(why: string): never {
    throw new UsageError(`Cannot use ${this.#option} "${this.#text}": ${why}`);
  }

  parse(): Node {
    const node = this.#any();
    if (this.#at < this.#source.length) {
      this.fail(`there is a "${this.#source[this.#at]}" without its beginning`);
    }
    return node;
  }

  #any(): Node {
    if (++this.#depth > 100) this.fail("its groups are nested too deeply");
    const nodes = [this.#all()];
    while (this.#take("|")) nodes.push(this.#all());
    this.#depth--;
    return nodes.length === 1 ? nodes[0]! : { is: "any", nodes };
  }

  #all(): Node {
    const nodes: Node[] = [];
    for (let next; (next = this.#source[this.#at]) !== undefined && next !== "|" && next !== ")";) {
      nodes.push(this.#repeated(this.#one()));
    }
    return { is: "all", nodes };
  }

  #repeated(node: Node): Node {
    const bounds = this.#bounds();
    if (!bounds) return node;
    // Whether it is satisfied with less makes no difference to whether it fits.
    this.#take("?");
    return this.#repeated({ is: "repeat", node, ...bounds });
  }

  #bounds(): { min: number; max: number } | null {
    if (this.#take("*")) return { min: 0, max: Infinity };
    if (this.#take("+")) return { min: 1, max: Infinity };
    if (this.#take("?")) return { min: 0, max: 1 };
    const rest = this.#source.slice(this.#at, this.#at + 12).join("");
    const [whole, min, comma, max] = /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(rest) ?? [];
    if (whole === undefined) return null;
    this.#at += whole.length;
    const most = max ? Number(max) : comma ? Infinity : Number(min);
    if (Number(min) > MOST_REPEATS || (most !== Infinity && most > MOST_REPEATS)) {
      this.fail(`"${whole}" is more than ${MOST_REPEATS} times`);
    }
    if (most < Number(min)) this.fail(`"${whole}" ends before it begins`);
    return { min: Number(min), max: most };
  }

  #one(): Node {
    const character = this.#source[this.#at++]!;
    switch (character) {
      case ".":
        return { is: "test", test: () => true };
      case "^":
        return { is: "assert", holds: (before) => before === NONE };
      case "$":
        return { is: "assert", holds: (_, after) => after === NONE };
      case "(":
        return this.#group();
      case "[":
        return { is: "test", test: this.#folded(this.#set()) };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        return this.fail(`there is nothing that "${character}" could repeat`);
    }
    const code = character.codePointAt(0)!;
    return { is: "test", test: this.#folded((other) => other === code) };
  }

  #group(): Node {
    if (this.#take("?") && !this.#take(":")) this.fail('"(?" with anything but ":" is not known here');
    const node = this.#any();
    if (!this.#take(")")) this.fail('a "(" is not closed');
    return node;
  }

  #escape(): Node {
    const character = this.#source[this.#at++] ?? this.fail('it ends in "\\"');
    if (character === "b" || character === "B") {
      const edge = (before: number, after: number) => isWord(before) !== isWord(after);
      return {
        is: "assert",
        holds: character === "b" ? edge : (before, after) => !edge(before, after),
      };
    }
    const known = this.#escaped(character);
    return { is: "test", test: this.#folded(typeof known === "number" ? (code) => code === known : known) };
  }

  #escaped(character: string): number | Test {
    const known = CLASSES[character] ?? CONTROLS[character];
    if (known !== undefined) return known;
    if (/[A-Za-z0-9]/.test(character)) this.fail(`"\\${character}" is not known here`);
    return character.codePointAt(0)!;
  }

  #set(): Test {
    const inverted = this.#take("^");
    const tests: Test[] = [];
    for (let first = true;; first = false) {
      const character = this.#source[this.#at++] ?? this.fail('a "[" is not closed');
      if (character === "]" && !first) break;
      const from = character === "\\"
        ? this.#escaped(this.#source[this.#at++] ?? "")
        : character.codePointAt(0)!;
      if (typeof from !== "number") {
        tests.push(from);
        continue;
      }
      const ranged = this.#source[this.#at] === "-" && (this.#source[this.#at + 1] ?? "]") !== "]";
      if (!ranged) {
        tests.push((code) => code === from);
        continue;
      }
      this.#at++;
      const end = this.#source[this.#at++]!;
      const to = end === "\\" ? this.#escaped(this.#source[this.#at++] ?? "") : end.codePointAt(0)!;
      if (typeof to !== "number" || to < from) this.fail("a range in brackets makes no sense");
      tests.push((code) => code >= from && code <= to);
    }
    const any: Test = (code) => tests.some((test) => test(code));
    return inverted ? not(any) : any;
  }

  #folded(test: Test): Test {
    if (!this.#fold) return test;
    return (code) => {
      const character = String.fromCodePoint(code);
      return test(code) || test(character.toLowerCase().codePointAt(0)!) ||
        test(character.toUpperCase().codePointAt(0)!);
    };
  }

  #take(character: string): boolean {
    if (this.#source[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}

function compile(tree: Node, tooLong: () => never): readonly Step[] {
  const steps: Step[] = [];
  const add = <S extends Step>(step: S): S => {
    if (steps.push(step) > MOST_STEPS) tooLong();
    return step;
  };
  const split = () => {
    const step = add({ do: "split" as const, to: 0, or: 0 });
    step.to = step.or = steps.length;
    return step;
  };
  const emit = (node: Node): void => {
    switch (node.is) {
      case "test":
        add({ do: "test", test: node.test });
        return;
      case "assert":
        add({ do: "assert", holds: node.holds });
        return;
      case "all":
        for (const one of node.nodes) emit(one);
        return;
      case "any": {
        const ends: { to: number; or: number }[] = [];
        for (const [i, one] of node.nodes.entries()) {
          const choice = i < node.nodes.length - 1 ? split() : null;
          emit(one);
          if (!choice) continue;
          ends.push(split());
          choice.or = steps.length;
        }
        for (const end of ends) end.to = end.or = steps.length;
        return;
      }
      case "repeat": {
        for (let i = 0; i < node.min; i++) emit(node.node);
        if (node.max === Infinity) {
          const from = steps.length;
          const choice = split();
          emit(node.node);
          const back = split();
          back.to = back.or = from;
          choice.or = steps.length;
          return;
        }
        const choices = [];
        for (let i = node.min; i < node.max; i++) {
          choices.push(split());
          emit(node.node);
        }
        for (const choice of choices) choice.or = steps.length;
      }
    }
  };
  emit(tree);
  add({ do: "found" });
  return steps;
}

function machine(steps: readonly Step[]): (line: string) => boolean {
  /** In which round a step was last reached. */
  const reached = new Float64Array(steps.length);
  let round = 0;
  return (line) => {
    const codes = Array.from(line, (character) => character.codePointAt(0)!);
    let waiting: number[] = [];
    for (let at = 0; at <= codes.length; at++) {
      round++;
      const before = codes[at - 1] ?? NONE;
      const after = codes[at] ?? NONE;
      const next: number[] = [];
      // A match may begin anywhere.
      const open = [...waiting, 0].reverse();
      for (let i; (i = open.pop()) !== undefined;) {
        if (reached[i] === round) continue;
        reached[i] = round;
        const step = steps[i]!;
        if (step.do === "found") return true;
        if (step.do === "split") open.push(step.or, step.to);
        else if (step.do === "assert") step.holds(before, after) && open.push(i + 1);
        else if (after !== NONE && step.test(after)) next.push(i + 1);
      }
      waiting = next;
    }
    return false;
  };
}
