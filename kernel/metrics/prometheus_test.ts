import { match, ok, strictEqual, throws } from "node:assert/strict";
import { systemClock } from "../../worlds/clock.ts";
import type { Answer } from "../dispatch.ts";
import type { Principal } from "../principals.ts";
import type { Syscall } from "../syscall.ts";
import { BUCKETS, CallMetrics } from "./calls.ts";
import { Exposition } from "./exposition.ts";
import { type MetricsSource, parseAddress, startMetricsServer } from "./prometheus.ts";

function sourceOf(calls = new CallMetrics()): MetricsSource {
  return {
    clock: systemClock,
    version: "9.9.9",
    startedAt: 1_700_000_000_000,
    calls,
    agentStates: () => ["running", "running", "crashed"],
    queueDepths: () => ({ mail: 3 }),
    connections: () => 2,
  };
}

function call(
  name: string,
  durationMs: number,
  outcome: Answer["outcome"],
): Parameters<CallMetrics["finished"]>[0] {
  const row = { name } as Syscall;
  return { row, caller: {} as Principal, params: {}, answer: { outcome }, startedAt: 0, durationMs };
}

Deno.test("an address that is none is refused, and so is one that is taken", async () => {
  for (const address of ["", "9464", "localhost", "127.0.0.1:99999", "a b:1", "http://127.0.0.1:1"]) {
    throws(() => parseAddress(address), /write HOST:PORT/, address);
  }
  strictEqual(parseAddress("[::1]:80").hostname, "::1");
  const server = startMetricsServer({ ...sourceOf(), address: "127.0.0.1:0" });
  throws(() => startMetricsServer({ ...sourceOf(), address: server.address }), /Cannot serve metrics on/);
  await server.close();
});

Deno.test("a scrape gives every family in the text format", async () => {
  const calls = new CallMetrics();
  calls.finished(call("fs.read", 0.03, "ok"));
  calls.finished(call("fs.read", 0.2, "denied"));
  calls.finished(call("fs.read", 60_000, "timeout"));
  const server = startMetricsServer({ ...sourceOf(calls), address: "127.0.0.1:0" });
  await new Promise((resolve) => setTimeout(resolve, 250));
  try {
    const missing = await fetch(`http://${server.address}/`);
    strictEqual(missing.status, 404);
    await missing.body?.cancel();
    const post = await fetch(`http://${server.address}/metrics`, { method: "POST" });
    strictEqual(post.status, 405);
    await post.body?.cancel();
    const response = await fetch(`http://${server.address}/metrics`);
    strictEqual(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    const text = await response.text();
    for (
      const line of [
        'clove_build_info{version="9.9.9"} 1',
        'clove_syscall_duration_seconds_bucket{syscall="fs.read",le="0.000025"} 0',
        'clove_syscall_duration_seconds_bucket{syscall="fs.read",le="0.00005"} 1',
        'clove_syscall_duration_seconds_bucket{syscall="fs.read",le="30"} 2',
        'clove_syscall_duration_seconds_bucket{syscall="fs.read",le="+Inf"} 3',
        'clove_syscall_duration_seconds_count{syscall="fs.read"} 3',
        'clove_syscalls_total{syscall="fs.read",outcome="ok"} 1',
        'clove_agents{state="running"} 2',
        'clove_agents{state="paused"} 0',
        "clove_denials_total 1",
        'clove_queue_depth{queue="mail"} 3',
        "clove_connections 2",
        "process_start_time_seconds 1700000000",
      ]
    ) ok(text.includes(`${line}\n`), `${line} is missing in\n${text}`);
    match(text, /^clove_event_loop_delay_seconds_count [1-9]/m);
    for (const line of text.trimEnd().split("\n")) {
      match(
        line,
        /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+.0-9eInfNa]+)$/,
      );
    }
  } finally {
    await server.close();
  }
});

Deno.test("bounds rise, and label values cannot break out of their quotes", () => {
  ok(BUCKETS.every((bound, at) => at === 0 || bound > BUCKETS[at - 1]!));
  const out = new Exposition();
  out.family("x", "gauge", "Help\nme.", [[{ name: 'a"b\\c\nd' }, NaN]]);
  strictEqual(String(out), '# HELP x Help\\nme.\n# TYPE x gauge\nx{name="a\\"b\\\\c\\nd"} NaN\n');
});
