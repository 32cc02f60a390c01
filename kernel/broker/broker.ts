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
}

/** What an agent's broker has to know, beside who the agent is. */
export interface BrokerFacts {
  readonly places: Places;
  /** Names of the variables it was given. */
  readonly variables: Iterable<string>;
  /** See {@link Subject.proxied}. */
  readonly proxied: boolean;
}

/** Denos that one agent runs at once: itself, and programs it starts that ask the same broker. */
const MOST_ASKERS = 64;

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
  readonly #lines: RepeatedLines;

  constructor(principal: Principal, facts: BrokerFacts, options: BrokersOptions) {
    this.principal = principal;
    this.#options = options;
    this.#subject = {
      authority: principal.authority,
      name: principal.name || String(principal.id),
      places: facts.places,
      variables: new Set(facts.variables),
      proxied: facts.proxied,
    };
    this.#lines = new RepeatedLines(options.clock, (entry) => options.audit.write(entry));
  }

  judge(question: Question, pid: number | null): Ruling {
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
    else if (audit.config.log_syscalls) this.#write(question, judgement, true);
    return judgement;
  }

  close(): void {
    for (const asker of [...this.askers]) asker.close();
    this.#lines.flush();
  }

  #refused(question: Question, judgement: Judgement): void {
    const { id, counts } = this.principal;
    counts.denials++;
    // One event for each line, so that a program that tries without end does not drown out the others.
    if (!this.#write(question, judgement, false)) return;
    const target = judgement.need === null ? bounded(question.value ?? "") : formatNeed(judgement.need);
    const syscall = `deno.${bounded(question.permission)}`;
    const data = { agent_id: id, syscall, reason: judgement.reason, target };
    this.#options.events.emit("SYSCALL_BLOCKED", data, id, concerns(this.principal));
  }

  #write({ permission, value }: Question, { need, rule, reason }: Judgement, success: boolean): boolean {
    const details = {
      syscall: `deno.${bounded(permission)}`,
      value: value === null ? null : bounded(value),
      ...(need === null ? {} : { need: formatNeed(need) }),
      ...(rule === "" ? { reason: bounded(reason) } : { rule }),
    };
    return this.#lines.add(JSON.stringify([success, details]), {
      category: success ? "SYSCALL" : "SECURITY",
      event_type: success ? details.syscall : "SYSCALL_BLOCKED",
      agent_id: this.principal.id,
      agent_name: this.principal.name,
      success,
      details,
    });
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
