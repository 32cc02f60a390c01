/**
 * Keeps one agent's refusals from filling the log. An agent can be refused ten thousand times a second, and each line
 * of it would push a line of somebody else out sooner. So within a window every different refusal is written once,
 * what repeats is counted, and the counts are written when the window ends. Whoever goes on gets longer windows.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { AuditEntry } from "./entry.ts";

/** How long repeats are counted before they are told. */
const WINDOW_MS = 60_000;
/** For whoever goes on: each window is twice as long as the one before, up to this. */
const LONGEST_WINDOW_MS = 3_600_000;
/** Different refusals of one agent that get lines of their own within a window. */
const DIFFERENT = 32;
/** Agents watched at once; past it the window of the one watched longest ends early. */
const AGENTS = 4_096;

/** A refusal that was written, and how often it came again. */
interface Seen {
  readonly entry: AuditEntry;
  repeats: number;
}

/** One agent's window. */
interface Watched {
  readonly seen: Map<string, Seen>;
  /** Refusals beyond {@link DIFFERENT}: how many, by syscall, and the latest. */
  others: number;
  readonly bySyscall: Map<string, number>;
  latest: AuditEntry | null;
  readonly startedAt: number;
  readonly windowMs: number;
  cancel: () => void;
}

/** Decides which refusals become lines. */
export class Coalescer {
  readonly #clock: Clock;
  readonly #write: (entry: AuditEntry) => void;
  readonly #agents = new Map<number, Watched>();

  /** @param write Takes the lines about repeats; it must not ask this coalescer again. */
  constructor(clock: Clock, write: (entry: AuditEntry) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /** True when the refusal is to be written now; else it was counted. */
  admits(entry: AuditEntry): boolean {
    const watched = this.#agents.get(entry.agent_id) ?? this.#watch(entry.agent_id, WINDOW_MS);
    const { syscall, need } = entry.details;
    const key = `${entry.event_type} ${syscall} ${need}`;
    const seen = watched.seen.get(key);
    if (seen) {
      seen.repeats++;
      return false;
    }
    if (watched.seen.size < DIFFERENT) {
      watched.seen.set(key, { entry, repeats: 0 });
      return true;
    }
    watched.others++;
    watched.latest = entry;
    const name = String(syscall ?? entry.event_type);
    // Names come from the table and from the kernel's own words, so they are bounded.
    watched.bySyscall.set(name, (watched.bySyscall.get(name) ?? 0) + 1);
    return false;
  }

  /** Counts that are not written yet, by need. */
  pending(agentId: number): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { entry, repeats } of this.#agents.get(agentId)?.seen.values() ?? []) {
      if (repeats > 0) counts.set(String(entry.details.need ?? entry.event_type), repeats);
    }
    return counts;
  }

  /** Writes all counts now: the log is about to close. */
  flush(): void {
    for (const id of [...this.#agents.keys()]) this.#tell(id);
  }

  /** Forgets all counts. */
  stop(): void {
    for (const { cancel } of this.#agents.values()) cancel();
    this.#agents.clear();
  }

  #watch(id: number, windowMs: number): Watched {
    if (this.#agents.size >= AGENTS) this.#tell(this.#agents.keys().next().value!);
    const watched: Watched = {
      seen: new Map(),
      others: 0,
      bySyscall: new Map(),
      latest: null,
      startedAt: Math.floor(this.#clock.now()),
      windowMs,
      cancel: this.#clock.timer(windowMs, () => this.#ended(id)),
    };
    this.#agents.set(id, watched);
    return watched;
  }

  #ended(id: number): void {
    const { windowMs } = this.#agents.get(id)!;
    // One quiet window, and the next refusal counts as a first one again.
    if (this.#tell(id)) this.#watch(id, Math.min(windowMs * 2, LONGEST_WINDOW_MS));
  }

  /** True when there was something to tell. */
  #tell(id: number): boolean {
    const watched = this.#agents.get(id)!;
    const { seen, others, bySyscall, latest, startedAt } = watched;
    watched.cancel();
    this.#agents.delete(id);
    const since = new Date(startedAt).toISOString();
    let told = false;
    for (const { entry, repeats } of seen.values()) {
      if (repeats === 0) continue;
      told = true;
      this.#write({ ...entry, details: { ...entry.details, repeated: repeats, since } });
    }
    if (latest === null) return told;
    const { agent_id, agent_name } = latest;
    const details = {
      repeated: others,
      since,
      syscalls: Object.fromEntries(bySyscall),
      latest: latest.details,
    };
    this.#write({
      category: "SECURITY",
      event_type: "REFUSALS_COALESCED",
      agent_id,
      agent_name,
      success: false,
      details,
    });
    return true;
  }
}
