/**
 * Sealed secrets. An operator gives them to the kernel; agents hold placeholders, and the kernel puts the real value
 * into a header at the moment a request leaves, where a rule says so.
 *
 * Nothing hands a value out: it goes from here into the bytes of a request and nowhere else.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { SyscallError } from "@clove/sdk/protocol";
import { askFor, secretNeed } from "../../permissions/mod.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Random } from "../../worlds/random.ts";
import type { AuditEntry } from "../audit/entry.ts";
import { EgressError, type SecretPlace, type Substitute } from "../egress/mod.ts";
import { LIMITS } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import type { Storage } from "../storage/storage.ts";
import { formsOf } from "./forms.ts";
import { readKey, writeKey } from "./key_file.ts";
import { KEY_BYTES, SealKey, TOKEN_HEX } from "./seal.ts";
import { prepareTables, type SecretStatements } from "./tables.ts";
import { checkName, checkValue } from "./values.ts";

/** What a secret is known by, its value left out. */
export interface SecretFacts {
  readonly name: string;
  /** Epoch milliseconds. */
  readonly created: number;
  /** Epoch milliseconds of the last {@link Secrets.set}. */
  readonly updated: number;
}

/** What the service works with. */
export interface SecretsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly storage: Storage;
  readonly log: Log;
  /** Receives a line for each use. */
  readonly onUse?: (principal: Principal, entry: AuditEntry) => void;
}

interface Entry extends SecretFacts {
  readonly sealed: Uint8Array;
}

/** What begins every placeholder. Nothing else in it would need quoting, in a header or a shell. */
const MARK = "clove-sealed-";
const PLACEHOLDER = new RegExp(`${MARK}[0-9a-f]{${TOKEN_HEX}}`, "g");

/** Keeps secrets. */
export class Secrets {
  readonly #options: SecretsOptions;
  readonly #statements: SecretStatements;
  readonly #entries: Map<string, Entry>;
  /** Null until it is needed. */
  #key: SealKey | null = null;
  /** By holder, then by placeholder. Emptied when names change. */
  readonly #tokens = new Map<string, ReadonlyMap<string, string>>();
  /** What to look for in text that is about to be kept, longest first; null when it has to be made anew. */
  #forms: readonly (readonly [form: string, name: string])[] | null = null;

  /** Reads the names; values stay sealed. */
  constructor(options: SecretsOptions) {
    this.#options = options;
    this.#statements = prepareTables(options.storage);
    this.#entries = new Map(this.#statements.all().map((entry) => [entry.name, entry]));
  }

  /**
   * Keeps a value under a name, in place of an earlier one. Resolves when it is durable.
   *
   * @throws {SyscallError} `bad_request` for what no header could carry, `limit` when there are too many.
   */
  async set(name: string, value: string): Promise<SecretFacts> {
    checkName(name);
    checkValue(value);
    const { clock, random, storage } = this.#options;
    const before = this.#entries.get(name);
    if (!before && this.#entries.size >= LIMITS.secrets) {
      throw new SyscallError("limit", `Cannot keep more than ${LIMITS.secrets} secrets, remove some`);
    }
    const now = clock.now();
    const sealed = this.#sealKey().seal(name, value, random.bytes(12));
    const entry: Entry = { name, sealed, created: before?.created ?? now, updated: now };
    await storage.transact(() => this.#statements.put(entry));
    this.#changed(() => this.#entries.set(name, entry));
    return factsOf(entry);
  }

  /** Forgets a secret. Resolves when that is durable. @returns Whether there was one. */
  async remove(name: string): Promise<boolean> {
    const { storage } = this.#options;
    if (!this.#entries.has(name)) return false;
    await storage.transact(() => this.#statements.remove(name));
    this.#changed(() => this.#entries.delete(name));
    return true;
  }

  /** All there are, by name. */
  list(): SecretFacts[] {
    return [...this.#entries.values()].map(factsOf).sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /**
   * Those a principal holds placeholders of: some rule of its is about them. None while the key is unusable, which the
   * log tells: agents start all the same.
   */
  heldBy(principal: Principal): { readonly facts: SecretFacts; readonly placeholder: string }[] {
    const { clock, log } = this.#options;
    if (this.#entries.size === 0) return [];
    try {
      this.#sealKey();
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      log.error("secrets cannot be used", { cause: cause.message });
      return [];
    }
    const now = clock.now();
    return this.list()
      .filter(({ name }) => principal.authority.explain(secretNeed(name), now).allowed)
      .map((facts) => ({ facts, placeholder: this.#placeholder(principal, facts.name) }));
  }

  /** The variables of an agent: each secret's name, with the agent's placeholder. */
  variablesOf(principal: Principal): Record<string, string> {
    return Object.fromEntries(
      this.heldBy(principal).map(({ facts, placeholder }) => [facts.name, placeholder]),
    );
  }

  /** Puts values in the place of a principal's placeholders, where its rules say so, and refuses where they do not. */
  substituteFor(principal: Principal): Substitute {
    return (text, place) => {
      const basic = place.header === "authorization"
        ? /^basic +([A-Za-z0-9+/]+=*)$/i.exec(text)?.[1]
        : undefined;
      if (basic === undefined) return this.#fill(text, place, principal);
      // User and password travel together in base64, where a placeholder cannot be seen from outside.
      const plain = latin1(basic);
      if (plain === null || !plain.includes(MARK)) return text;
      return `Basic ${btoa(this.#fill(plain, place, principal))}`;
    };
  }

  /** Text without any secret, in whatever shape: for whatever keeps what agents sent and got. */
  redact(text: string): string {
    if (this.#entries.size === 0) return text;
    this.#forms ??= [...this.#entries.values()]
      .flatMap((entry) => formsOf(this.#open(entry)).map((form) => [form, entry.name] as const))
      .sort(([a], [b]) => b.length - a.length);
    let clean = text;
    for (const [form, name] of this.#forms) {
      if (clean.includes(form)) clean = clean.replaceAll(form, `[secret ${name}]`);
    }
    return clean;
  }

  #fill(text: string, place: SecretPlace, principal: Principal): string {
    if (!text.includes(MARK)) return text;
    return text.replace(PLACEHOLDER, (placeholder) => {
      const entry = this.#entries.get(this.#tokensOf(principal).get(placeholder) ?? "");
      // Somebody else's, or nobody's: it means nothing here, and stays what it is.
      return entry === undefined ? placeholder : this.#use(entry, place, principal);
    });
  }

  #use(entry: Entry, place: SecretPlace, principal: Principal): string {
    const { clock, onUse } = this.#options;
    const { name } = entry;
    const verdict = principal.authority.weigh(secretNeed(name, place), clock.now());
    const { scheme, host, port, method, header } = place;
    onUse?.(principal, {
      category: "SECURITY",
      event_type: verdict.allowed ? "SECRET_USED" : "SYSCALL_BLOCKED",
      agent_id: principal.id,
      agent_name: principal.name,
      success: verdict.allowed,
      details: {
        syscall: "secret.use",
        secret: name,
        place: `${scheme}://${host}:${port}`,
        method,
        header,
        rule: verdict.allowed ? verdict.rule : verdict.receipt.rule,
        ...(verdict.allowed ? {} : { need: verdict.receipt.need }),
      },
    });
    if (verdict.allowed) return this.#open(entry);
    const ask = askFor(verdict.receipt, principal.name || String(principal.id));
    throw EgressError.denied({ ...verdict, receipt: { ...verdict.receipt, ask } });
  }

  #open(entry: Entry): string {
    const value = this.#sealKey().open(entry.name, entry.sealed);
    if (value !== null) return value;
    throw new SyscallError(
      "unavailable",
      `Cannot open the secret "${entry.name}": it was sealed with another key or was changed, set it again`,
    );
  }

  #placeholder(principal: Principal, name: string): string {
    return MARK + this.#sealKey().token(holderOf(principal), name);
  }

  #tokensOf(principal: Principal): ReadonlyMap<string, string> {
    const holder = holderOf(principal);
    let tokens = this.#tokens.get(holder);
    if (tokens === undefined) {
      // Agents come and go under many names; this is only a memory of what can be computed.
      if (this.#tokens.size >= LIMITS.agents) this.#tokens.clear();
      tokens = new Map([...this.#entries.keys()].map((name) => [this.#placeholder(principal, name), name]));
      this.#tokens.set(holder, tokens);
    }
    return tokens;
  }

  #changed(change: () => void): void {
    change();
    this.#tokens.clear();
    this.#forms = null;
  }

  #sealKey(): SealKey {
    return this.#key ??= new SealKey(this.#keyBytes());
  }

  #keyBytes(): Uint8Array {
    const { storage, random } = this.#options;
    if (storage.path === null) return random.bytes(KEY_BYTES);
    const path = join(dirname(storage.path), "secrets.key");
    const found = readKey(path);
    if (found !== null) return found;
    if (this.#entries.size > 0) {
      throw new SyscallError(
        "unavailable",
        `Cannot open the secrets: their key "${path}" is gone, put it back or remove the secrets`,
      );
    }
    const key = random.bytes(KEY_BYTES);
    writeKey(path, key);
    return key;
  }
}

/** An agent keeps its placeholders over restarts, of itself and of the kernel. */
function holderOf(principal: Principal): string {
  return `${principal.kind}:${principal.name}`;
}

function factsOf({ name, created, updated }: Entry): SecretFacts {
  return { name, created, updated };
}

function latin1(base64: string): string | null {
  try {
    return atob(base64);
  } catch (error) {
    // What is no base64 is the server's to refuse.
    if (error instanceof DOMException) return null;
    throw error;
  }
}
