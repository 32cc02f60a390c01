/**
 * An agent that asks its broker: `checks.ts measure N` times N checks and prints what they took; `checks.ts load` asks
 * without end, as fast as it is answered.
 *
 * @module
 */
const [mode, count = "0"] = Deno.args;

/** Microseconds: the quantiles of one kind of check. */
function measure(check: () => unknown, times: number): Record<"p50" | "p95" | "p99", number> {
  for (let i = 0; i < times / 10; i++) check();
  const took = new Float64Array(times);
  for (let i = 0; i < times; i++) {
    const startedAt = performance.now();
    check();
    took[i] = performance.now() - startedAt;
  }
  took.sort();
  const at = (part: number): number => took[Math.floor(times * part)]! * 1000;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

if (mode === "measure") {
  Deno.writeTextFileSync("file", "");
  const path = `${Deno.cwd()}/file`;
  const times = Number(count);
  console.log(JSON.stringify({
    variable: measure(() => Deno.env.get("HOME"), times),
    whole: measure(() => Deno.lstatSync(path), times),
    relative: measure(() => Deno.lstatSync("file"), times),
  }));
} else {
  console.log("ready");
  for (;;) Deno.env.get("HOME");
}
