import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { systemClock } from "../../worlds/clock.ts";
import { cpuTimes, disksOf, memoryOf, networkOf, SystemReader } from "./system.ts";

Deno.test("busy time is everything but idle and iowait, guest time is not counted twice", () => {
  const text = "cpu  10 1 5 100 4 2 3 6 50 7\ncpu0 10 1 5 100 4 2 3 6 50 7\nintr 5\n";
  deepStrictEqual(cpuTimes(text), [{ total: 131, busy: 27 }, { total: 131, busy: 27 }]);
  deepStrictEqual(cpuTimes(""), []);
});

Deno.test("whole disks are counted, NVMe ones too; partitions, loops and what is made of others are not", () => {
  const names = [
    "loop0",
    "sda",
    "sda1",
    "nvme0n1",
    "nvme0n1p1",
    "dm-0",
    "md0",
    "zram0",
    "mmcblk0",
    "mmcblk0p2",
  ];
  const text = names.map((name) => `   8   0 ${name} 1 0 2 0 3 0 4 0 0 0 0 0 0 0 0`).join("\n");
  const whole = new Set(["sda", "nvme0n1", "mmcblk0"]);
  deepStrictEqual(disksOf(text, (name) => !whole.has(name)), {
    read_ops: 3,
    read_bytes: 3 * 1024,
    write_ops: 9,
    write_bytes: 3 * 2048,
  });
});

Deno.test("all interfaces but loopback are summed", () => {
  const row = "10 1 2 0 0 0 0 0 20 3 4 0 0 0 0 0";
  deepStrictEqual(networkOf(`Inter-|\n face |bytes\n  lo: ${row}\neth0: ${row}\nwlan0:${row}\n`), {
    bytes_recv: 20,
    packets_recv: 2,
    errors_in: 4,
    bytes_sent: 40,
    packets_sent: 6,
    errors_out: 8,
  });
});

Deno.test("memory is in bytes, used is what is not available", () => {
  const text = "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\nBuffers: 2 kB\nCached: 3 kB\n" +
    "SwapCached: 9 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n";
  deepStrictEqual(memoryOf(text), {
    memory: {
      total: 1_024_000,
      available: 256_000,
      used: 768_000,
      percent: 75,
      buffers: 2_048,
      cached: 3_072,
    },
    swap: { total: 10_240, used: 6_144, free: 4_096 },
  });
});

Deno.test("the first answer about this machine is plausible in every number", {
  ignore: Deno.build.os !== "linux",
}, () => {
  const metrics = new SystemReader(systemClock).read();
  const { cpu, memory, swap, disk, network } = metrics;
  strictEqual(cpu.per_core.length, cpu.count);
  strictEqual(cpu.count, navigator.hardwareConcurrency);
  for (const percent of [cpu.percent, memory.percent, ...cpu.per_core]) {
    ok(percent >= 0 && percent <= 100, `${percent}`);
  }
  ok(memory.total > 2 ** 26 && memory.used < memory.total && memory.available <= memory.total);
  ok(swap.used <= swap.total);
  for (const value of [...Object.values(disk), ...Object.values(network)]) {
    ok(Number.isSafeInteger(value) && value >= 0);
  }
  strictEqual(cpu.load_avg.length, 3);
});
