import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { VirtualClock } from "../../worlds/clock.ts";
import { Log } from "../log.ts";
import { DiskWatch, usedBytes } from "./disk.ts";
import { Bench, FakeLauncher } from "./fake_launcher_test.ts";
import type { Pressure } from "./launch.ts";

const MIB = 1024 * 1024;

Deno.test("bytes are those on the disk, in all directories, links not followed and holes not counted", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/a/deep`, { recursive: true });
    await Deno.mkdir(`${root}/b`);
    strictEqual(await usedBytes([`${root}/b`, `${root}/nowhere`], MIB), 0);
    await Deno.writeFile(`${root}/a/deep/file`, new Uint8Array(MIB));
    await Deno.symlink("/usr", `${root}/b/link`);
    await Deno.writeTextFile(`${root}/b/hole`, "");
    await Deno.truncate(`${root}/b/hole`, 1024 * MIB);
    const used = await usedBytes([`${root}/a`, `${root}/b`], 1024 * MIB);
    ok(used >= MIB && used < 1.1 * MIB, String(used));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("counting ends beyond the bound, and empty files count too", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Promise.all(Array.from({ length: 400 }, (_, i) => Deno.writeTextFile(`${root}/${i}`, "")));
    strictEqual(await usedBytes([root], MIB), MIB + 64 * 4096);
    ok(await usedBytes([root], 1024 * MIB) === 400 * 4096);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("who nears the limit is told once, who exceeds it is told that once, and nobody is counted in vain", async () => {
  const clock = new VirtualClock();
  const watch = new DiskWatch(clock, new Log({ level: "error", format: "text" }));
  let used = 10;
  const told: string[] = [];
  const note = (what: string) => ({ percent, detail }: Pressure): void => {
    told.push(`${what} ${percent}: ${detail}`);
  };
  watch.add({
    id: 1,
    limit: 100,
    used: () => Promise.resolve(used),
    warn: note("warn"),
    exceeded: note("exceeded"),
  });
  const round = async (now: number): Promise<void> => {
    used = now;
    await clock.advance(5000);
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  await round(50);
  deepStrictEqual(told, []);
  for (const now of [95, 96, 20, 91]) await round(now);
  deepStrictEqual(told.splice(0), [
    "warn 95: its files are at 95% of the disk limit",
    "warn 91: its files are at 91% of the disk limit",
  ]);
  await round(101);
  await round(102);
  deepStrictEqual(told, ["exceeded 100: the disk limit was exceeded"]);
});

Deno.test("an agent whose private files exceed its limit is warned, stopped at once, and told why", async () => {
  const clock = new VirtualClock();
  await using bench = new Bench((clock) => new FakeLauncher(clock), clock);
  const agent = await bench.spawn({ command: ["true"], limits: { disk: 2 * MIB } });
  const work = `${bench.runDir}/agents/${agent.id}/work`;
  bench.events();
  const until = async (state: string): Promise<void> => {
    // Counting takes real time, which stands still on this clock.
    for (let tries = 0; tries < 200 && agent.state !== state; tries++) {
      await clock.advance(5000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await Deno.writeFile(`${work}/one`, new Uint8Array(MIB));
  await clock.advance(20_000);
  strictEqual(agent.state, "running");
  await Deno.writeFile(`${work}/two`, new Uint8Array(1.5 * MIB));
  await until("stopped");
  strictEqual((await agent.finished).cause, "stopped by the disk limit, 2 MiB");
  deepStrictEqual(bench.events("resource", "limit", "killed_by").map((event) => event.slice(0, 3)), [
    ["RESOURCE_WARNING", "disk", 2 * MIB],
    ["AGENT_EXITED", undefined, undefined],
  ]);
});
