import { BOUNDS } from "./vocabulary.ts";

/** A JSON object whose values are looked at one by one; null counts as absent. */
export class Fields {
  readonly #object: Record<string, unknown>;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new TypeError(`Cannot read "${path}": it is not an object`);
    }
    this.#object = value as Record<string, unknown>;
    this.#path = path;
  }

  flag(key: string, absent: boolean): boolean {
    const value = this.#get(key) ?? absent;
    if (typeof value !== "boolean") throw this.#wrong(key, "it is neither true nor false");
    return value;
  }

  count(key: string): number | null {
    const value = this.#get(key);
    if (value === null) return null;
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw this.#wrong(key, "it is not a whole number from 0 up");
    }
    return value as number;
  }

  list(key: string): string[] | null {
    const value = this.#get(key);
    if (value === null) return null;
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.#wrong(key, "it is not a list of texts");
    }
    if (value.length > BOUNDS.rules) throw this.#wrong(key, `it has more than ${BOUNDS.rules} items`);
    return value;
  }

  fields(key: string): Fields | null {
    const value = this.#get(key);
    return value === null ? null : new Fields(value, `${this.#path}.${key}`);
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.#object, key) ? this.#object[key] ?? null : null;
  }

  #wrong(key: string, problem: string): TypeError {
    return new TypeError(`Cannot read "${this.#path}.${key}": ${problem}`);
  }
}
