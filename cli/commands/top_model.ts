/**
 * What `clove top` shows: numbers of agents, and what has changed between two looks.
 *
 * @module
 */
import type { Clove, MetricsAgentsResult, MetricsSystemResult } from "@clove/sdk";

type Metrics = MetricsAgentsResult["agents"][number];

/** One agent's row. */
export interface Row {
  readonly id: number;
  readonly name: string;
  readonly state: string;
  /** Percent of one CPU. */
  readonly cpu: number;
  /** Bytes. */
  readonly memory: number;
  /** Bytes; null is none. */
  readonly limit: number | null;
  /** Calls a second since the look before; over its whole life at the first. */
  readonly calls: number;
  readonly denied: number;
  readonly received: number;
  readonly sent: number;
  /** Tokens of models. */
  readonly tokens: number;
}

/** One look. */
export interface Look {
  readonly rows: readonly Row[];
  readonly machine: {
    readonly cpu: number;
    readonly memory: number;
    readonly total: number;
    readonly load: number;
  };
}

/** In which order rows stand. */
export const ORDERS = ["number", "cpu", "memory", "calls"] as const;

/** One of {@link ORDERS}. */
export type Order = (typeof ORDERS)[number];

interface Before {
  readonly calls: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** Looks again and again. */
export class Model {
  readonly #clove: Clove;
  #before = new Map<number, Before>();
  /** Limits change seldom: they are asked for once for each agent, and again after a while. */
  readonly #limits = new Map<number, { readonly memory: number | null; readonly at: number }>();

  /** Asks nothing yet. */
  constructor(clove: Clove) {
    this.#clove = clove;
  }

  /** Looks. */
  async look(now: number = performance.now()): Promise<Look> {
    const [{ agents }, system] = await Promise.all([
      this.#clove.metrics.agents({}),
      this.#clove.metrics.system({}),
    ]);
    await Promise.all(agents.map((agent) => this.#learnLimit(agent.agent_id, now)));
    const before = this.#before;
    this.#before = new Map(
      agents.map(({ agent_id, syscalls_count }) => [agent_id, { calls: syscalls_count, at: now }]),
    );
    for (const id of this.#limits.keys()) if (!this.#before.has(id)) this.#limits.delete(id);
    return {
      rows: agents.map((agent) => this.#row(agent, before.get(agent.agent_id), now)),
      machine: machineOf(system),
    };
  }

  #row(metrics: Metrics, before: Before | undefined, now: number): Row {
    const { agent_id, syscalls_count, uptime_seconds, kernel_stats: stats } = metrics;
    const seconds = before ? (now - before.at) / 1000 : uptime_seconds;
    return {
      id: agent_id,
      name: metrics.name,
      state: metrics.state,
      cpu: metrics.cpu_percent,
      memory: metrics.memory_bytes,
      limit: this.#limits.get(agent_id)?.memory ?? null,
      calls: seconds > 0 ? (syscalls_count - (before?.calls ?? 0)) / seconds : 0,
      denied: stats.denial_count,
      received: stats.messages_recv,
      sent: stats.messages_sent,
      tokens: stats.llm_tokens_used,
    };
  }

  async #learnLimit(id: number, now: number): Promise<void> {
    const known = this.#limits.get(id);
    if (known && now - known.at < LIMIT_AGE_MS) return;
    try {
      const { limits } = await this.#clove.agent.limits({ id });
      this.#limits.set(id, { memory: limits.memory, at: now });
    } catch {
      // It has just ended, or is not ours to ask about: then its limit is not shown.
      this.#limits.set(id, { memory: null, at: now });
    }
  }
}

const LIMIT_AGE_MS = 10_000;

function machineOf({ metrics }: MetricsSystemResult): Look["machine"] {
  const { cpu, memory } = metrics;
  return { cpu: cpu.percent, memory: memory.used, total: memory.total, load: cpu.load_avg[0] ?? 0 };
}

/** The rows in an order: numbers rising, the rest falling. */
export function ordered(rows: readonly Row[], order: Order): readonly Row[] {
  if (order === "number") return [...rows].sort((a, b) => a.id - b.id);
  return [...rows].sort((a, b) => b[order] - a[order] || a.id - b.id);
}
