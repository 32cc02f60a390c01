/**
 * Measures Clove on this machine. Not a test: figures are distributions, and ratios to something measured in the
 * same run.
 *
 *     deno task bench            everything
 *     deno task bench protocol   one part
 *
 * @module
 */
import { client } from "./lib/load.ts";
import { figures } from "./lib/report.ts";

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  protocol: async () => await (await import("./protocol.ts")).protocol(),
  spawn: async () => await (await import("./spawn.ts")).spawn(),
  crowd: async () => await (await import("./crowd.ts")).thousand(),
  sdk: async () => {
    await (await import("./sdk_pingpong.ts")).sdkPingPong();
    await (await import("./sdk_start.ts")).sdkStart();
  },
  broker: async () => await (await import("./broker.ts")).broker(),
};

if (import.meta.main) {
  const asked = Deno.args.filter((word) => !word.startsWith("-"));
  const unknown = asked.find((part) => !(part in PARTS));
  if (unknown) {
    console.error(`Cannot measure "${unknown}": choose from ${Object.keys(PARTS).join(", ")}`);
    Deno.exit(2);
  }
  if (!await client()) {
    console.error(
      "Cannot measure without a C compiler: the load client is written in C so that it is not the bottleneck",
    );
    Deno.exit(3);
  }
  const { os, arch } = Deno.build;
  console.log(
    `Deno ${Deno.version.deno}, ${os} ${arch}, ${navigator.hardwareConcurrency} CPUs, load ${
      Deno.loadavg()[0]!.toFixed(2)
    }`,
  );
  for (const [name, run] of Object.entries(PARTS)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    console.log(`\n${name}`);
    await run();
  }
  if (Deno.args.includes("--json")) console.log(JSON.stringify(figures));
}
