/** Machines that forbid this and that, played by the trial. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import type { Wall } from "../agents/launch.ts";
import { findWalls, type Trial, type TrialFailure } from "./availability.ts";
import { readMachineFacts } from "./facts.ts";
import type { Step } from "./steps.ts";

const root = { ...readMachineFacts(), uid: 0, landlockAbi: 6 };
const user = { ...root, uid: 1000 };
const failure = (step: Step, message: string): TrialFailure => ({ step, message });
const CLONE: Step = { do: "clone", namespaces: [], cgroup: null };

/** A machine where what `forbids` says fails at a step. */
function machine(forbids: (walls: ReadonlySet<Wall>, userNamespace: boolean) => TrialFailure | null): Trial {
  return (walls, userNamespace) => Promise.resolve(forbids(walls, userNamespace));
}

const sorted = (walls: ReadonlySet<Wall>): readonly Wall[] => [...walls].sort();

Deno.test("a machine that allows all has all walls, with one attempt", async () => {
  let attempts = 0;
  const found = await findWalls(root, machine(() => (attempts++, null)));
  strictEqual(attempts, 1);
  strictEqual(found.userNamespace, false);
  deepStrictEqual(sorted(found.walls), [
    "caps",
    "ipc",
    "landlock",
    "mount",
    "net",
    "pid",
    "seccomp",
    "user",
    "uts",
  ]);
});

Deno.test("an ordinary user without user namespaces keeps what needs none, and hears why", async () => {
  const found = await findWalls(user, machine((_, ns) => ns ? failure(CLONE, "Cannot clone: EPERM") : null));
  deepStrictEqual(sorted(found.walls), ["caps", "landlock", "seccomp"]);
  strictEqual(found.userNamespace, false);
  strictEqual(found.reasons.get("pid"), "Cannot clone: EPERM");
});

Deno.test("root without root's capabilities takes a user namespace", async () => {
  const found = await findWalls(root, machine((_, ns) => ns ? null : failure(CLONE, "Cannot clone: EPERM")));
  strictEqual(found.userNamespace, true);
  strictEqual(found.walls.has("mount"), true);
});

Deno.test("one wall that cannot be built is left out alone", async () => {
  const proc: Step = { do: "mount", type: "proc", target: "/proc", options: "", flags: {} };
  const found = await findWalls(user, machine((walls) => walls.has("pid") ? failure(proc, "masked") : null));
  strictEqual(found.walls.has("pid"), false);
  strictEqual(found.walls.has("mount"), true);
  deepStrictEqual([...found.reasons], [["pid", "masked"]]);
});

Deno.test("what belongs to no wall is an error, not a weaker sandbox", async () => {
  await rejects(
    () => findWalls(root, machine(() => failure({ do: "no-new-privileges" }, "Cannot"))),
    /Cannot/,
  );
});

Deno.test("a machine without Landlock is said to be one", async () => {
  const found = await findWalls({ ...root, landlockAbi: 0 }, machine(() => null));
  strictEqual(found.walls.has("landlock"), false);
  strictEqual(found.reasons.get("landlock"), "Landlock is not in this kernel, or not among its lsm= modules");
});
