import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Authority, Policy } from "../../../permissions/mod.ts";
import { startKernel } from "../../kernel.ts";
import type { Principal } from "../../principals.ts";

// deno-lint-ignore no-explicit-any -- answers are looked at as clients see them
type Json = any;

const channel = {
  version: 1 as const,
  agree() {},
  openStream: () => null,
  openPush: () => null,
  onCancel() {},
};

async function setUp() {
  const kernel = await startKernel({ sandbox: false, data: null, onLog: () => {} });
  const { principals } = kernel.services;
  const operator = principals.create("operator", { authority: new Authority(Policy.level("unrestricted")) });
  return {
    kernel,
    operator,
    async call(opcode: number, params: unknown, caller: Principal = operator): Promise<Json> {
      const payload = new TextEncoder().encode(JSON.stringify(params));
      const request = { opcode, payload, binary: false, caller, connection: channel, id: 0 };
      return JSON.parse(JSON.stringify((await kernel.dispatcher.run(request)).json));
    },
    [Symbol.asyncDispose]: () => kernel.close(),
  };
}

Deno.test("an agent that is not there has no metrics, and the answer says which one", async () => {
  await using it = await setUp();
  const answer = await it.call(0xc1, { agent_id: 4_711 });
  deepStrictEqual([answer.success, answer.code, answer.agent_id], [false, "not_found", 4_711]);
  match(answer.error, /Agent not found/);
  const own = await it.call(0xc1, {});
  strictEqual(own.agent_id, it.operator.id);
});

Deno.test("no path of a cgroup leads out, and agents see no cgroup but their own", async () => {
  await using it = await setUp();
  for (const cgroup_path of ["../../../etc", "/..", "nothing/here", "clove/agent-99"]) {
    const answer = await it.call(0xc3, { cgroup_path });
    deepStrictEqual([answer.success, answer.cgroup_path], [false, cgroup_path]);
    match(answer.error, /Cgroup not found or not readable/);
  }
  const agent = it.kernel.services.principals.create("agent", {
    authority: new Authority(Policy.level("sandboxed")),
  });
  strictEqual((await it.call(0xc3, { cgroup_path: "/" }, agent)).code, "denied");
  match((await it.call(0xc3, {}, agent)).cgroup_path, /^clove\/agent-\d+$/);
});

Deno.test("the machine's metrics come in both clients' words", async () => {
  await using it = await setUp();
  const answer = await it.call(0xc0, {});
  strictEqual(answer.success, true);
  const { cpu, memory, disk, network } = answer.metrics;
  deepStrictEqual([
    answer.cpu_percent,
    answer.memory_used_bytes,
    answer.memory_total_bytes,
    answer.memory_percent,
    answer.disk_used_bytes,
    answer.network_rx_bytes,
    answer.network_tx_bytes,
    answer.load_average,
  ], [
    cpu.percent,
    memory.used,
    memory.total,
    memory.percent,
    disk.read_bytes + disk.write_bytes,
    network.bytes_recv,
    network.bytes_sent,
    cpu.load_avg,
  ]);
});

Deno.test("an agent's metrics are its own, and only who manages it sees its command line", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using it = await setUp();
  const { id } = await it.call(0x10, { name: "sleeper", command: ["/bin/sleep", "60"], sandboxed: false });
  ok(id > 0);
  const answer = await it.call(0xc1, { agent_id: id });
  const { metrics } = answer;
  deepStrictEqual(
    [metrics.agent_id, metrics.name, metrics.status, metrics.state, metrics.sandboxed, metrics.cgroup],
    [id, "sleeper", "RUNNING", "running", false, null],
  );
  match(metrics.process.cmdline, /sleep 60$/);
  ok(metrics.process.memory.rss > 0 && metrics.pid === metrics.process.pid);
  deepStrictEqual(
    [answer.memory_bytes, answer.state, answer.syscalls_count],
    [metrics.process.memory.rss, "running", metrics.kernel_stats.syscall_count],
  );
  const other = it.kernel.services.principals.create("agent", {
    authority: new Authority(Policy.level("sandboxed")),
  });
  strictEqual((await it.call(0xc1, { agent_id: id }, other)).metrics.process.cmdline, "");
  const all = await it.call(0xc2, {});
  deepStrictEqual([all.count, all.agents[0].agent_id], [1, id]);
  await it.call(0x11, { id, grace_ms: 0 });
  strictEqual((await it.call(0xc2, {})).count, 0, "ended agents are not listed");
  deepStrictEqual(
    await it.call(0xc1, { agent_id: id }).then((
      { metrics },
    ) => [metrics.status, metrics.pid, metrics.process.state]),
    ["STOPPED", 0, "?"],
  );
});
