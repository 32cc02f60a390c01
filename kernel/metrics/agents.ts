/**
 * What the metrics need to know about agents, and what they tell about them.
 *
 * @module
 */
import type { Agent } from "../agents/agent.ts";
import { type AgentState, STATE_NAMES } from "../agents/states.ts";
import type { CgroupMetrics } from "./cgroup.ts";
import type { ProcessMetrics } from "./process.ts";

/** One agent, as its keeper knows it. */
export interface AgentFacts {
  readonly id: number;
  readonly name: string;
  /** Of the current run; 0 when there is none. */
  readonly pid: number;
  readonly state: AgentState;
  /** Host directory, or null. */
  readonly cgroup: string | null;
  /** Milliseconds of the current run; 0 when there is none. */
  readonly uptimeMs: number;
  /** True when walls of the operating system stand around it. */
  readonly sandboxed: boolean;
  readonly counts: {
    readonly syscalls: number;
    readonly denials: number;
    readonly sent: number;
    readonly received: number;
    readonly bytesRead: number;
    readonly bytesWritten: number;
  };
  readonly usage: { readonly calls: number; readonly tokens: number };
}

/** One agent's metrics: the original's fields, and the flat ones that TypeScript clients read. */
export interface AgentMetrics {
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly agent_id: number;
  readonly name: string;
  readonly pid: number;
  /** Upper case, such as `RUNNING`. */
  readonly status: string;
  /** Of the current run. */
  readonly uptime_ms: number;
  readonly sandboxed: boolean;
  readonly process: ProcessMetrics;
  /** Null when it has none. */
  readonly cgroup: CgroupMetrics | null;
  readonly kernel_stats: {
    readonly syscall_count: number;
    readonly denial_count: number;
    readonly llm_calls: number;
    readonly llm_tokens_used: number;
    readonly messages_sent: number;
    readonly messages_recv: number;
    readonly bytes_read: number;
    readonly bytes_written: number;
  };
  /** Of one core; of the whole cgroup where there is one. */
  readonly cpu_percent: number;
  /** Of the whole cgroup where it counts memory, else of the process. */
  readonly memory_bytes: number;
  readonly memory_percent: number;
  readonly syscalls_count: number;
  readonly uptime_seconds: number;
  /** Lower case, such as `running`. */
  readonly state: AgentState;
}

/** Takes the facts from an agent. */
export function factsOf(agent: Agent): AgentFacts {
  const { id, name, pid, state, uptimeMs, isolation, process, principal } = agent;
  return {
    id,
    name,
    pid,
    state,
    cgroup: process?.cgroup ?? null,
    uptimeMs,
    sandboxed: isolation !== null && Object.values(isolation.namespaces).some(Boolean),
    counts: principal.counts,
    usage: principal.authority.usage,
  };
}

/** Puts an agent's metrics together. */
export function describeAgent(
  facts: AgentFacts,
  parts: {
    process: ProcessMetrics;
    cgroup: CgroupMetrics | null;
    cgroupPercent: number;
    memoryTotal: number;
  },
): AgentMetrics {
  const { counts, usage, state } = facts;
  const { process, cgroup, cgroupPercent, memoryTotal } = parts;
  const memory = cgroup && cgroup.memory.current > 0 ? cgroup.memory.current : process.memory.rss;
  return {
    timestamp: process.timestamp,
    agent_id: facts.id,
    name: facts.name,
    pid: facts.pid,
    status: STATE_NAMES[state],
    uptime_ms: Math.round(facts.uptimeMs),
    sandboxed: facts.sandboxed,
    process,
    cgroup,
    kernel_stats: {
      syscall_count: counts.syscalls,
      denial_count: counts.denials,
      llm_calls: usage.calls,
      llm_tokens_used: usage.tokens,
      messages_sent: counts.sent,
      messages_recv: counts.received,
      bytes_read: counts.bytesRead,
      bytes_written: counts.bytesWritten,
    },
    cpu_percent: cgroup ? cgroupPercent : process.cpu.percent,
    memory_bytes: memory,
    memory_percent: memoryTotal > 0 ? Math.round((memory / memoryTotal) * 10_000) / 100 : 0,
    syscalls_count: counts.syscalls,
    uptime_seconds: Math.round(facts.uptimeMs) / 1_000,
    state,
  };
}
