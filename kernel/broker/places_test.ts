import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { findPath, isOwn, type Places } from "./places.ts";
import { placesOf } from "./facts.ts";

/** An agent without a mount namespace: a private directory it calls /work, in a machine that has a /work, too. */
async function unmounted(
  test: (places: Places, at: (name: string) => string) => void | Promise<void>,
  host = false,
): Promise<void> {
  const dir = Deno.realPathSync(await Deno.makeTempDir({ dir: "/var/tmp", prefix: "clove-test-" }));
  const at = (name: string): string => `${dir}/${name}`;
  try {
    for (const name of ["work", "tmp", "deno", "project", "elsewhere"]) await Deno.mkdir(at(name));
    const places = placesOf({
      cwd: at("work"),
      tmp: at("tmp"),
      denoDir: at("deno"),
      given: [
        { inside: "/work", outside: at("work"), mode: "rw" },
        { inside: "/tmp", outside: at("tmp"), mode: "rw" },
        { inside: at("project"), outside: at("project"), mode: "ro" },
        { inside: at("project"), outside: at("project"), mode: "rw" },
      ],
      mounted: false,
      host,
    });
    await test(places, at);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const OUTSIDE = { fault: "it is outside of what the agent was given" };

Deno.test("without a mount namespace a path is called what policies call it", () =>
  unmounted((places, at) => {
    deepStrictEqual(findPath(places, "/work/x", at("work")), OUTSIDE, "the machine's own /work");
    deepStrictEqual(findPath(places, at("elsewhere"), at("work")), OUTSIDE);
    deepStrictEqual(findPath(places, "a/b", at("work")), { named: "/work/a/b", mode: "rw" });
    deepStrictEqual(findPath(places, at("work"), "/"), { named: "/work", mode: "rw" });
    deepStrictEqual(findPath(places, at("project/x"), "/"), { named: at("project/x"), mode: "rw" });
  }));

Deno.test("an agent that sees the host does not take the machine's own /work for its directory", () =>
  unmounted((places, at) => {
    ok("fault" in findPath(places, "/work/x", at("work")));
    ok("fault" in findPath(places, "/work", at("work")));
    deepStrictEqual(findPath(places, "/workshop", at("work")), { named: "/workshop", mode: "rw" });
    deepStrictEqual(findPath(places, "/", at("work")), { named: "/", mode: "rw" });
    deepStrictEqual(findPath(places, "x", at("work")), { named: "/work/x", mode: "rw" });
  }, true));

Deno.test("without a mount namespace links are followed, also of what is yet to be made", () =>
  unmounted(async (places, at) => {
    await Deno.symlink(at("elsewhere"), at("work/out"));
    await Deno.symlink(at("elsewhere/new"), at("work/dangling"));
    await Deno.symlink(at("work/circle"), at("work/circle"));
    await Deno.symlink(at("work"), at("elsewhere/back"));
    await Deno.symlink(at("elsewhere"), at("deno/out"));
    deepStrictEqual(findPath(places, "out/x", at("work")), OUTSIDE);
    deepStrictEqual(findPath(places, "out", at("work")), OUTSIDE);
    deepStrictEqual(findPath(places, "new/out/../../x", at("work")), { named: "/work/x", mode: "rw" });
    ok("fault" in findPath(places, "dangling", at("work")));
    ok("fault" in findPath(places, "circle/x", at("work")));
    ok("fault" in findPath(places, "x/".repeat(3_000), at("work")));
    deepStrictEqual(findPath(places, at("elsewhere/back/a"), "/"), { named: "/work/a", mode: "rw" });
    strictEqual(isOwn(places, at("deno/out/x"), "/"), false);
    strictEqual(isOwn(places, at("deno/x"), "/"), true);
  }));
