import { PatternError, PolicySyntaxError } from "./syntax_error.ts";
import { shown } from "./text.ts";
import { BOUNDS, CAPABILITIES, type Capability, isCapability } from "./vocabulary.ts";
import { readQuoted } from "./words.ts";

/** A word of a line: bare, or in double quotes. */
export interface Token {
  readonly text: string;
  readonly at: number;
  readonly quoted: boolean;
}

/** Reads one line from left to right and knows where it is. */
export class LineReader {
  readonly #text: string;
  readonly #line: number;
  #at = 0;

  constructor(text: string, line: number) {
    this.#text = text;
    this.#line = line;
    if (text.length > BOUNDS.lineChars) {
      this.fail(0, `the line is longer than ${BOUNDS.lineChars} characters`);
    }
  }

  fail(at: number, problem: string): never {
    throw new PolicySyntaxError(this.#text, this.#line, at + 1, problem);
  }

  /** Whether nothing but a comment is left. */
  blank(): boolean {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#at >= this.#text.length || this.#text[this.#at] === "#";
  }

  end(): void {
    if (!this.blank()) this.fail(this.#at, "nothing more is expected here");
  }

  directive(): string | null {
    const [whole, name] = /^(level|blocks|expires|max_exec_time_ms):/.exec(this.#text.slice(this.#at)) ?? [];
    if (whole !== undefined) this.#at += whole.length;
    return name ?? null;
  }

  deny(): boolean {
    const [whole] = /^deny\s+/.exec(this.#text.slice(this.#at)) ?? [];
    if (whole !== undefined) this.#at += whole.length;
    return whole !== undefined;
  }

  capability(): Capability {
    const rest = this.#text.slice(this.#at);
    const name = /^[^\s:]*/.exec(rest)![0];
    if (!isCapability(name)) {
      this.fail(this.#at, `unknown capability ${shown(name)}, known are ${CAPABILITIES.join(", ")}`);
    }
    if (rest[name.length] !== ":") {
      this.fail(this.#at + name.length, `a colon and a pattern are missing, as in "${name}:*"`);
    }
    this.#at += name.length + 1;
    return name as Capability;
  }

  /** The word that has to stand right here. */
  word(missing: string): Token {
    const char = this.#text[this.#at];
    if (char === undefined || /[\s#]/.test(char)) this.fail(this.#at, missing);
    return this.#token();
  }

  /** The next word; null at the end. */
  next(): Token | null {
    return this.blank() ? null : this.#token();
  }

  /** A `home=` that may follow. */
  home(): string | undefined {
    const word = this.next();
    if (word === null) return undefined;
    let home: string | undefined;
    if (word.text.startsWith("home=")) home = word.text.slice(5);
    else this.fail(word.at, `unknown attribute ${shown(word.text)}, known is home=`);
    if (home === "" && this.#text[this.#at] === '"') home = this.#token().text;
    if (!home!.startsWith("/")) this.fail(word.at, "a home is an absolute path");
    return home;
  }

  /** Everything to the end or to a comment, which begins with `#` after a blank and outside quotes. */
  command(): { text: string; at: number } {
    const at = this.#at;
    let quote = "";
    let end = at;
    for (; end < this.#text.length; end++) {
      const char = this.#text[end]!;
      if (quote === "" && char === "#" && (end === at || /\s/.test(this.#text[end - 1]!))) break;
      if (char === "\\" && quote !== "'") end++;
      else if (quote !== "") quote = char === quote ? "" : quote;
      else if (char === "'" || char === '"') quote = char;
    }
    this.#at = Math.min(end, this.#text.length);
    return { text: this.#text.slice(at, this.#at), at };
  }

  /** Runs a compiler of patterns; its errors point into the line. */
  compile<T>(word: Token, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      return this.fail(word.at + (word.quoted ? 0 : error.at), error.message);
    }
  }

  #token(): Token {
    const at = this.#at;
    if (this.#text[at] === '"') {
      let piece: [string, number];
      try {
        piece = readQuoted(this.#text, at);
      } catch (error) {
        if (!(error instanceof PatternError)) throw error;
        return this.fail(error.at, error.message);
      }
      this.#at = piece[1];
      if (/[^\s]/.test(this.#text[this.#at] ?? " ")) {
        this.fail(this.#at, "a blank is missing after the closing quote");
      }
      return { text: piece[0], at, quoted: true };
    }
    const text = /^[^\s"]+/.exec(this.#text.slice(at))?.[0] ?? "";
    this.#at += text.length;
    if (this.#text[this.#at] === '"' && !text.endsWith("home=")) {
      this.fail(this.#at, "a quote begins where the pattern begins");
    }
    return { text, at, quoted: false };
  }
}
