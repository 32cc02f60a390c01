/**
 * The permission broker of Deno agents: Deno asks before each access, and the kernel answers from what the agent
 * holds at that moment. Nothing is remembered, so what is taken from an agent is refused from the next access on.
 *
 * Deno blocks the agent until it is answered, so nothing here waits for anything, least of all for a person.
 *
 * @module
 */
import { readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { formatNeed } from "../../permissions/mod.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Audit } from "../audit/audit.ts";
import type { AuditEntry } from "../audit/entry.ts";
import { RepeatedLines } from "../egress/repeats.ts";
import { concerns, type EventBus } from "../events.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import { listenUnix } from "../socket_server.ts";
import { judge, type Judgement, type Subject } from "./judge.ts";
import { Asker } from "./asker.ts";
import type { Places } from "./places.ts";
import type { Question, Ruling } from "./question.ts";
import { Turns } from "./turns.ts";

/** What a {@link Brokers} works with. */
export interface BrokersOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Audit;
  readonly events: EventBus;
  /** The process that connected, as this machine numbers it; null where that cannot be known. */
  readonly pidOf: (socket: Socket) => number | null;
  /** Whose process that is; undefined for nobody's. */
  readonly ownerOf: (pid: number) => Principal | undefined;
  /** Requests that the kernel has served so far: what a crowd of agents must not hold up. */
  readonly served: () => number;
  /** What a replayed agent was told when it was recorded, if that was a refusal; null for every other. */
  readonly recalled?: (principal: Principal, question: Question) => Ruling | null;
  /** Told of every answer. */
  readonly onRuling?: (principal: Principal, question: Question, ruling: Ruling) => void;
}

/** What an agent's broker has to know, beside who the agent is. */
export interface BrokerFacts {
  readonly places: Places;
  /** Names of the variables it was given. */
  readonly variables: Iterable<string>;
  /** See {@link Subject.socket}. */
  readonly socket: string | null;
  /** See {@link Subject.proxied}. */
  readonly proxied: boolean;
}

/** Denos that one agent runs at once: itself, and programs it starts that ask the same broker. */
const MOST_ASKERS = 64;
/** For so long the same refusal is no news. */
const NEWS_MS = 10_000;
/** Different refusals that are told within that time. */
const MOST_NEWS = 32;

/** All brokers of a kernel. */
export class Brokers {
  readonly #options: BrokersOptions;
  readonly #turns: Turns;

  /** Opens nothing. */
  constructor(options: BrokersOptions) {
    const { clock, served } = options;
    this.#options = options;
    this.#turns = new Turns({ now: () => clock.monotonic(), served });
  }

  /**
   * Serves one agent.
   *
   * @param path Of the socket; it appears with mode 0600.
   * @returns Its end, which cuts every connection off.
   */
  async open(path: string, principal: Principal, facts: BrokerFacts): Promise<() => Promise<void>> {
    const broker = new Broker(principal, facts, this.#options);
    const server = await listenUnix(path, (socket) => this.#accept(socket, broker));
    return async () => {
      await server.close();
      broker.close();
    };
  }

  #accept(socket: Socket, broker: Broker): void {
    const { pidOf, ownerOf, log } = this.#options;
    const pid = pidOf(socket);
    const owner = pid === null ? undefined : ownerOf(pid);
    // Another agent's Deno must not act by this one's rights.
    if (owner !== undefined && owner !== broker.principal) {
      log.warn("an agent asked another one's broker", {
        agent: owner.label,
        broker: broker.principal.label,
      });
      socket.destroy();
      return;
    }
    if (broker.askers.size >= MOST_ASKERS) {
      log.warn("a Deno was refused: its agent runs too many", { agent: broker.principal.label });
      socket.destroy();
      return;
    }
    const asker = new Asker(socket, {
      turns: this.#turns,
      judge: (question) => broker.judge(question, pid),
      onClosed: () => broker.askers.delete(asker),
    });
    broker.askers.add(asker);
  }
}

/** The broker of one agent. */
class Broker {
  readonly principal: Principal;
  readonly askers = new Set<Asker>();
  readonly #options: BrokersOptions;
  readonly #subject: Subject;
  /** Lines about what was allowed. */
  readonly #lines: RepeatedLines;
  /** What was told as an event lately. */
  readonly #news = new Set<string>();
  #newsUntil = -Infinity;

  constructor(principal: Principal, facts: BrokerFacts, options: BrokersOptions) {
    this.principal = principal;
    this.#options = options;
    this.#subject = {
      authority: principal.authority,
      name: principal.name || String(principal.id),
      places: facts.places,
      variables: new Set(facts.variables),
      socket: facts.socket,
      proxied: facts.proxied,
    };
    this.#lines = new RepeatedLines(options.clock, (entry) => options.audit.write(entry));
  }

  judge(question: Question, pid: number | null): Ruling {
    const { recalled, onRuling } = this.#options;
    const ruling = recalled?.(this.principal, question) ?? this.#judge(question, pid);
    onRuling?.(this.principal, question, ruling);
    return ruling;
  }

  #judge(question: Question, pid: number | null): Ruling {
    const { clock, audit, log } = this.#options;
    const { counts } = this.principal;
    counts.checks++;
    let judgement: Judgement;
    try {
      judgement = judge(this.#subject, question, () => this.#directory(pid), clock.now());
    } catch (cause) {
      log.error("a question of Deno's could not be judged", { agent: this.principal.label, cause });
      return { allowed: false, reason: "Cannot judge it: the kernel's log has the cause" };
    }
    if (!judgement.allowed) this.#refused(question, judgement);
    else if (audit.config.log_syscalls) this.#allowed(question, judgement);
    return judgement;
  }

  close(): void {
    for (const asker of [...this.askers]) asker.close();
    this.#lines.flush();
  }

  #refused(question: Question, judgement: Judgement): void {
    const { audit, events } = this.#options;
    const { id, counts } = this.principal;
    counts.denials++;
    const entry = this.#entry(question, judgement, false);
    audit.write(entry);
    const { syscall, need } = entry.details;
    if (!this.#isNews(`${syscall} ${need}`)) return;
    const data = { agent_id: id, syscall, reason: judgement.reason, target: need };
    events.emit("SYSCALL_BLOCKED", data, id, concerns(this.principal));
  }

  /** A program that tries the same without end must not drown out other events. */
  #isNews(what: string): boolean {
    const now = this.#options.clock.monotonic();
    if (now >= this.#newsUntil) {
      this.#news.clear();
      this.#newsUntil = now + NEWS_MS;
    }
    if (this.#news.has(what) || this.#news.size >= MOST_NEWS) return false;
    this.#news.add(what);
    return true;
  }

  #allowed(question: Question, judgement: Judgement): void {
    const entry = this.#entry(question, judgement, true);
    this.#lines.add(JSON.stringify(entry.details), entry);
  }

  #entry(
    { permission, value }: Question,
    { need, rule, reason }: Judgement,
    success: boolean,
  ): AuditEntry & { readonly details: { readonly syscall: string; readonly need: string } } {
    const syscall = `deno.${bounded(permission)}`;
    return {
      category: success ? "SYSCALL" : "SECURITY",
      event_type: success ? syscall : "SYSCALL_BLOCKED",
      agent_id: this.principal.id,
      agent_name: this.principal.name,
      success,
      details: {
        syscall,
        value: value === null ? null : bounded(value),
        need: need === null ? `${syscall}:${bounded(value ?? "*")}` : formatNeed(need),
        rule: bounded(rule || reason),
      },
    };
  }

  /** Where a process is: Deno does not say when it moves. */
  #directory(pid: number | null): string | null {
    const { cwd } = this.#subject.places;
    if (pid === null) return cwd;
    try {
      return readlinkSync(`/proc/${pid}/cwd`);
    } catch (cause) {
      this.#options.log.debug("an agent's directory is not known", { agent: this.principal.label, cause });
      return null;
    }
  }
}

function bounded(text: string): string {
  return text.length > 512 ? `${text.slice(0, 512)}…` : text;
}
