/**
 * An HTTP endpoint that Prometheus scrapes. Off unless asked for; it names no agent, so whoever can reach it learns
 * numbers only.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import { AGENT_STATES, type AgentState } from "../agents/states.ts";
import type { CallMetrics } from "./calls.ts";
import { Exposition } from "./exposition.ts";
import { LoopDelay } from "./loop_delay.ts";
import { ProcessReader } from "./process.ts";

/** Where the numbers come from. */
export interface MetricsSource {
  readonly clock: Clock;
  readonly version: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly calls: CallMetrics;
  /** The state of every agent that is known. */
  agentStates(): Iterable<AgentState>;
  /** What waits where, such as `{mail: 3, events: 0}`. */
  queueDepths(): Readonly<Record<string, number>>;
  /** Open connections. */
  connections(): number;
}

/** A running endpoint. */
export interface MetricsServer {
  /** Where it listens, such as `127.0.0.1:9464`. */
  readonly address: string;
  /** Stops it, open connections too. */
  close(): Promise<void>;
}

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Serves `GET /metrics`.
 *
 * @param options `address`: `HOST:PORT`, the host a literal address or `localhost`; port 0 takes a free one.
 * @throws {Error} When the address cannot be read or taken.
 */
export function startMetricsServer(options: MetricsSource & { readonly address: string }): MetricsServer {
  const { hostname, port } = parseAddress(options.address);
  const delay = new LoopDelay(options.clock);
  const self = new ProcessReader(Deno.pid, 0, options.clock);
  const stop = new AbortController();
  let server;
  try {
    server = Deno.serve({ hostname, port, signal: stop.signal, onListen: () => {} }, (request) => {
      if (new URL(request.url).pathname !== "/metrics") {
        return new Response("see /metrics\n", { status: 404 });
      }
      if (request.method !== "GET" && request.method !== "HEAD") {
        return new Response("GET only\n", { status: 405, headers: { allow: "GET, HEAD" } });
      }
      return new Response(renderMetrics(options, delay, self), { headers: { "content-type": CONTENT_TYPE } });
    });
  } catch (cause) {
    delay.stop();
    throw new Error(`Cannot serve metrics on "${options.address}": ${(cause as Error).message}`, { cause });
  }
  const { finished, addr } = server;
  return {
    address: `${addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname}:${addr.port}`,
    async close() {
      delay.stop();
      stop.abort();
      await finished;
    },
  };
}

/** All families as text. */
export function renderMetrics(source: MetricsSource, delay: LoopDelay, self: ProcessReader): string {
  const out = new Exposition();
  const { calls } = source;
  out.family("clove_build_info", "gauge", "Always 1; the version is a label.", [[
    { version: source.version },
    1,
  ]]);
  out.histograms(
    "clove_syscall_duration_seconds",
    "Time from request to answer.",
    [...calls.stats].map(([syscall, { latency }]) => [{ syscall }, latency] as const),
  );
  out.family(
    "clove_syscalls_total",
    "counter",
    "Finished syscalls; the outcome is ok or an error code.",
    [...calls.stats].flatMap(([syscall, { outcomes }]) =>
      [...outcomes].map(([outcome, count]) => [{ syscall, outcome }, count] as const)
    ),
  );
  out.single("clove_denials_total", "counter", "Syscalls refused by policy.", calls.total("denied"));
  const states = new Map<AgentState, number>(AGENT_STATES.map((state) => [state, 0]));
  for (const state of source.agentStates()) states.set(state, states.get(state)! + 1);
  out.family(
    "clove_agents",
    "gauge",
    "Agents by state; ended ones as long as they are remembered.",
    [...states].map(([state, count]) => [{ state }, count] as const),
  );
  out.family(
    "clove_queue_depth",
    "gauge",
    "Items waiting to be taken.",
    Object.entries(source.queueDepths()).map(([queue, depth]) => [{ queue }, depth] as const),
  );
  out.single("clove_connections", "gauge", "Open connections.", source.connections());
  out.histograms("clove_event_loop_delay_seconds", "By how much timers were late.", [[{}, delay.histogram]]);
  const { cpu, memory, fds, threads } = self.read();
  out.single(
    "process_cpu_seconds_total",
    "counter",
    "CPU time of the kernel.",
    (cpu.time_user_ms + cpu.time_system_ms) / 1_000,
  );
  out.single("process_resident_memory_bytes", "gauge", "Resident memory of the kernel.", memory.rss);
  out.single("process_virtual_memory_bytes", "gauge", "Virtual memory of the kernel.", memory.vms);
  out.single("process_open_fds", "gauge", "Open descriptors of the kernel.", fds);
  out.single("process_threads", "gauge", "Threads of the kernel.", threads);
  out.single(
    "process_start_time_seconds",
    "gauge",
    "Start of the kernel, in epoch seconds.",
    source.startedAt / 1_000,
  );
  return out.toString();
}

/**
 * Takes `HOST:PORT` apart.
 *
 * @throws {Error} When it is something else.
 */
export function parseAddress(text: string): { hostname: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new Error(
      `Cannot serve metrics on "${text}": it is no address, write HOST:PORT such as 127.0.0.1:9464`,
    );
  }
  return { hostname: (match[1] ?? match[2])!, port };
}
