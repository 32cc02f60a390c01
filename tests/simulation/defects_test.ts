import { match, ok, strictEqual } from "node:assert/strict";
import * as defects from "./defects.ts";
import { lowerLimits } from "./limits.ts";
import { simulate } from "./simulate.ts";
import type { Defect } from "./world.ts";

lowerLimits();

/** A fault that takes more runs than one round of CI is not found. */
const MOST = 2_000;

const PLANTED: readonly [name: string, defect: Defect, found: RegExp][] = [
  [
    "writes acknowledged before they are on the disk",
    defects.earlyAcknowledgement,
    /acknowledged|version|counter/,
  ],
  ["mail delivered twice", defects.mailTwice, /twice/],
  ["mail out of order", defects.mailReordered, /got letter .* after/],
  ["two answers swapped", defects.answersSwapped, /./],
  ["a full mailbox that drops what it had accepted", defects.mailboxUnbounded, /never reached/],
];

for (const [name, defect, found] of PLANTED) {
  Deno.test(`a planted defect is found, and found again by its seed: ${name}`, async () => {
    for (let seed = 1; seed <= MOST; seed++) {
      const { violation, digest } = await simulate(seed, { defect });
      if (violation === null) continue;
      match(violation, found, `CLOVE_SEED=${seed}`);
      const again = await simulate(seed, { defect });
      strictEqual(again.violation, violation);
      strictEqual(again.digest, digest);
      console.log(`found by seed ${seed}: ${violation.slice(0, 160)}`);
      return;
    }
    ok(false, `Cannot find "${name}" in ${MOST} runs: the checks have gone blind`);
  });
}
