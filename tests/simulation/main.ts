/**
 * Shows one run: every event, and what was wrong.
 *
 *     CLOVE_SEED=7 deno run -A tests/simulation/main.ts
 *
 * @module
 */
import { lowerLimits } from "./limits.ts";
import { simulate } from "./simulate.ts";

if (import.meta.main) {
  lowerLimits();
  const { lines, violation, digest } = await simulate(Number(Deno.env.get("CLOVE_SEED") ?? 1), {
    keep: true,
  });
  for (const line of lines) console.log(line);
  console.log(violation === null ? `well, ${digest}` : `${violation}, ${digest}`);
  Deno.exit(violation === null ? 0 : 1);
}
