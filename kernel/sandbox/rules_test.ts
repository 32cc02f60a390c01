import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { ARCH } from "../../ffi/arch.ts";
import { closeDescriptor } from "../../ffi/descriptors.ts";
import { isReadable, passCall, waitReadable } from "../../ffi/notify.ts";
import { lacks } from "../../tests/facilities.ts";
import { type Fixture, sandbox } from "../../tests/sandbox_fixture.ts";
import type { FileRules, LaunchRequest } from "../agents/launch.ts";

const ignore = lacks("linux", "landlock", "seccomp");

/** Tries each act and prints the words of those that were refused. */
const TRIES = `
import subprocess
def attempt(name, act):
  try: act()
  except PermissionError: print(name)
attempt("read", lambda: open("/place/in/a").read())
attempt("read other", lambda: open("/place/secret").read())
attempt("write", lambda: open("/place/out/b", "w").write("b"))
attempt("write other", lambda: open("/place/in/b", "w").write("b"))
attempt("sort", lambda: subprocess.run(["/usr/bin/sort"], input=b""))
attempt("env", lambda: subprocess.run(["/usr/bin/env"], stdout=subprocess.DEVNULL))
attempt("tmp", lambda: open("/tmp/x", "w"))
`;

async function withPlace(
  box: Fixture,
  act: (request: Partial<LaunchRequest>) => Promise<void>,
): Promise<void> {
  const place = await Deno.makeTempDir({ dir: box.runDir });
  for (const name of ["in", "out"]) await Deno.mkdir(`${place}/${name}`);
  await Deno.writeTextFile(`${place}/in/a`, "a");
  await Deno.writeTextFile(`${place}/secret`, "s");
  for (const name of ["", "/in", "/out"]) await Deno.chmod(place + name, 0o777);
  await act({ mounts: [{ source: place, target: "/place", mode: "rw", ruled: true }] });
}

const RULES: FileRules = {
  files: [
    { path: "/place/in", kind: "directory", mode: "read" },
    { path: "/place/out", kind: "directory", mode: "write" },
    { path: "/place/gone", kind: "directory", mode: "read" },
  ],
  programs: ["/usr/bin/sort"],
};

Deno.test({
  name: "rules hold a program to its files and programs, and without Landlock nothing does",
  ignore,
  async fn() {
    await using box = await sandbox();
    await withPlace(box, async (request) => {
      const refused = await box.python(TRIES, { ...request, rules: RULES });
      deepStrictEqual(refused.split("\n"), ["read other", "write other", "env", "tmp"]);
      // No word about programs: all may run.
      const open = await box.python(TRIES, { ...request, rules: { ...RULES, programs: null } });
      deepStrictEqual(open.split("\n"), ["read other", "write other", "tmp"]);
      strictEqual(await box.python(TRIES, request), "");
    });
    await using bare = await sandbox(["landlock"]);
    await withPlace(bare, async (request) => {
      strictEqual(await bare.python(TRIES, { ...request, rules: RULES }), "");
    });
  },
});

Deno.test({
  name: "a listener is told of each use of a file, and each start of a program, before it happens",
  ignore,
  async fn() {
    await using box = await sandbox();
    const calls: string[] = [];
    let over: Promise<void> | undefined;
    const listen = async (listener: number): Promise<void> => {
      for (;;) {
        const now = isReadable(listener);
        const ready = now === "idle" ? await waitReadable(listener, 1_000) : now;
        if (ready === "over") return closeDescriptor(listener);
        if (ready === "ready") passCall(listener, ARCH, ({ call, tid }) => ok(calls.push(call) && tid > 1));
      }
    };
    const { exit, stdout } = await box.run(["/usr/bin/cat", "/etc/passwd"], {
      onListener: (listener) => {
        over = listen(listener);
      },
    });
    await over;
    strictEqual(exit.code, 0);
    match(stdout, /^root:/);
    strictEqual(calls[0], "execve");
    ok(calls.includes("openat"));
  },
});
