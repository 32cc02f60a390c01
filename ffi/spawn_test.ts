import { deepStrictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { lacks } from "../tests/facilities.ts";
import { LibcError } from "./errno.ts";
import { orderMoves, posixSpawn } from "./spawn.ts";

Deno.test("descriptors arrive whatever their numbers are, also when they have to change places", () => {
  const number = fc.integer({ min: 0, max: 12 });
  const moves = fc.uniqueArray(number, { maxLength: 9 }).chain((targets) =>
    fc.array(number, { minLength: targets.length, maxLength: targets.length })
      .map((sources) => targets.map((to, i) => ({ from: sources[i]!, to })))
  );
  fc.assert(fc.property(moves, (wanted) => {
    const table = new Map<number, number>(wanted.map(({ from }) => [from, from]));
    for (const { from, to } of orderMoves(wanted)) table.set(to, table.get(from)!);
    deepStrictEqual(wanted.map(({ to }) => table.get(to)), wanted.map(({ from }) => from));
  }));
});

Deno.test({
  name: "a program that is not there is an error with its path",
  ignore: lacks("linux"),
  fn() {
    throws(
      () => posixSpawn("/nonexistent/program", []),
      (error) =>
        error instanceof LibcError && error.code === "ENOENT" &&
        /"\/nonexistent\/program"/.test(error.message),
    );
  },
});
