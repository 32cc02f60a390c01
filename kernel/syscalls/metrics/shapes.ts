import { z } from "zod";
import { AGENT_STATES } from "../../agents/states.ts";
import type { AgentMetrics } from "../../metrics/metrics.ts";
import { agentId } from "../../fields.ts";
import type { Context } from "../../syscall.ts";

const timestamp = z.number().describe("Epoch milliseconds.");
const count = (text: string) => z.number().describe(text);
const io = z.object({
  read_bytes: count("Bytes."),
  write_bytes: count("Bytes."),
  read_ops: count("Operations."),
  write_ops: count("Operations."),
});

/** The machine. */
export const systemShape = z.object({
  timestamp,
  cpu: z.object({
    percent: count("Of all cores together, 0 to 100, over the last seconds."),
    per_core: z.array(z.number()).describe("The same of each core."),
    count: count("Cores."),
    freq_mhz: count("Of the first core; 0 when unknown."),
    load_avg: z.array(z.number()).describe("Over 1, 5 and 15 minutes."),
  }).describe("Processors."),
  memory: z.object({
    total: count("Bytes."),
    available: count("Bytes."),
    used: count("Bytes: total less available."),
    percent: count("Used, of total."),
    buffers: count("Bytes."),
    cached: count("Bytes."),
  }).describe("Memory."),
  swap: z.object({ total: count("Bytes."), used: count("Bytes."), free: count("Bytes.") }).describe("Swap."),
  disk: io.describe("Since boot, whole disks."),
  network: z.object({
    bytes_sent: count("Bytes."),
    bytes_recv: count("Bytes."),
    packets_sent: count("Packets."),
    packets_recv: count("Packets."),
    errors_in: count("Packets."),
    errors_out: count("Packets."),
  }).describe("Since boot, all interfaces but loopback."),
});

/** A process. */
const processShape = z.object({
  timestamp,
  pid: count("Process number."),
  ppid: count("Its parent's."),
  name: z.string().describe("As the machine calls it."),
  state: z.string().describe("A letter as in proc(5); `?` when it is gone."),
  cmdline: z.string().describe("Empty for callers that do not manage the agent."),
  cpu: z.object({
    percent: count("Of one core, over the last seconds."),
    time_user_ms: count("Milliseconds."),
    time_system_ms: count("Milliseconds."),
    priority: count("As in proc(5)."),
    nice: count("As in proc(5)."),
  }).describe("Processor."),
  memory: z.object({
    rss: count("Bytes."),
    vms: count("Bytes."),
    shared: count("Bytes."),
    data: count("Bytes."),
    percent: count("Of the machine's memory."),
  }).describe("Memory."),
  io: io.describe("Since its start."),
  threads: count("Threads."),
  fds: count("Open descriptors."),
});

/** A cgroup. */
export const cgroupShape = z.object({
  timestamp,
  cgroup_path: z.string().describe("As it was asked for."),
  valid: z.boolean().describe("Always true."),
  cpu: z.object({
    usage_usec: count("Microseconds."),
    user_usec: count("Microseconds."),
    system_usec: count("Microseconds."),
    throttled_usec: count("Microseconds."),
    nr_periods: count("Periods."),
    nr_throttled: count("Periods."),
    quota_usec: count("Microseconds; 0 is unlimited."),
    period_usec: count("Microseconds."),
  }).describe("Processor."),
  memory: z.object({
    current: count("Bytes."),
    min: count("Bytes."),
    low: count("Bytes."),
    high: count("Bytes; 2^64 - 1, rounded, is unlimited."),
    max: count("Bytes; 2^64 - 1, rounded, is unlimited."),
    peak: count("Bytes."),
    swap_current: count("Bytes."),
    swap_max: count("Bytes; 2^64 - 1, rounded, is unlimited."),
    oom_kills: count("Processes killed."),
  }).describe("Memory."),
  pids: z.object({
    current: count("Processes and threads."),
    max: count("Processes and threads; -1 is unlimited."),
  }).describe("Processes."),
  io: io.describe("Since its start, all devices."),
});

/** An agent. */
export const agentShape = z.object({
  timestamp,
  agent_id: agentId("The agent's number."),
  name: z.string().describe("The agent's name."),
  pid: count("Of the current run; 0 when there is none."),
  status: z.string().describe("Upper case, such as `RUNNING`."),
  uptime_ms: count("Of the current run."),
  sandboxed: z.boolean().describe("True when walls of the operating system stand around it."),
  process: processShape.describe("Its first process."),
  cgroup: cgroupShape.nullable().describe("Null when it has none."),
  kernel_stats: z.object({
    syscall_count: count("Calls."),
    denial_count: count("Calls refused."),
    llm_calls: count("Calls of models."),
    llm_tokens_used: count("Tokens."),
    messages_sent: count("Messages."),
    messages_recv: count("Messages."),
    bytes_read: count("Bytes."),
    bytes_written: count("Bytes."),
  }).describe("What it asked of the kernel."),
  cpu_percent: count("Of one core; of the whole cgroup where there is one."),
  memory_bytes: count("Of the whole cgroup where there is one."),
  memory_percent: count("The same, of the machine's memory."),
  syscalls_count: count("Calls."),
  uptime_seconds: count("Of the current run."),
  state: z.enum(AGENT_STATES).describe("Lower case, such as `running`."),
});

/** Command lines may hold what others should not see: only who manages an agent, or is it, sees them. */
export function withoutSecrets(ctx: Context, metrics: AgentMetrics): AgentMetrics {
  const { agents } = ctx.services;
  const agent = agents.get(metrics.agent_id);
  if (agent && (agent.principal === ctx.caller || agents.mayManage(ctx.caller, agent))) return metrics;
  return { ...metrics, process: { ...metrics.process, cmdline: "" } };
}
