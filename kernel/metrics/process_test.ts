import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { systemClock } from "../../worlds/clock.ts";
import { ProcessReader, statFields } from "./process.ts";
import { Rate } from "./rate.ts";

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test("a process may be called anything", () => {
  deepStrictEqual(statFields("12 (a) R (b) (c) S 1 2 3"), {
    name: "a) R (b) (c",
    fields: ["S", "1", "2", "3"],
  });
  strictEqual(statFields(""), null);
});

Deno.test("a rate does not depend on who asks how often", () => {
  const often = new Rate(0, 0);
  const seldom = new Rate(0, 0);
  let last = 0;
  for (let at = 10; at <= 5_000; at += 10) last = often.next(at, at * 0.5);
  for (let at = 1_000; at <= 5_000; at += 1_000) strictEqual(seldom.next(at, at * 0.5), 0.5);
  strictEqual(last, 0.5);
  const burst = new Rate(0, 0);
  burst.next(5_000, 0);
  // A jump by one tick within a few milliseconds is no 100 percent.
  ok(burst.next(5_005, 10) <= 0.01);
  strictEqual(new Rate(7, 7).next(7, 7), 0, "no time has passed");
});

Deno.test(
  "a busy process takes about one core, already in the first answer, whoever asked before",
  linux,
  async () => {
    const child = spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" });
    try {
      await new Promise((resolve) => setTimeout(resolve, 600));
      const reader = new ProcessReader(child.pid!, 2 ** 30, systemClock);
      const first = reader.read();
      const again = Array.from({ length: 20 }, () => reader.read()).at(-1)!;
      for (const { cpu } of [first, again]) {
        ok(
          cpu.percent > 5 && cpu.percent < 130,
          `${cpu.percent} percent`,
        );
      }
      strictEqual(first.ppid, Deno.pid);
      strictEqual(first.name, "sh");
      ok(first.cmdline.endsWith("sh -c while :; do :; done"), first.cmdline);
      ok(first.memory.rss > 0 && first.memory.vms >= first.memory.rss);
      ok(first.threads === 1 && first.fds >= 3);
      child.kill("SIGKILL");
      await once(child, "exit");
      const after = reader.read();
      deepStrictEqual([after.state, after.pid, after.cpu.percent, after.memory.rss], ["?", child.pid, 0, 0]);
    } finally {
      child.kill("SIGKILL");
    }
  },
);

Deno.test("the kernel can read itself, and a number without a process is said to be gone", linux, () => {
  const reader = new ProcessReader(Deno.pid, 0, systemClock);
  strictEqual(reader.read().pid, Deno.pid);
  ok(reader.read().cpu.time_user_ms > 0);
  strictEqual(new ProcessReader(2 ** 22 + 1, 0, systemClock).read().state, "?");
});
