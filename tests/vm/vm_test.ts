/** What needs a pure cgroup v2, in a guest: one guest, one step for each of its tests. */
import { ok } from "node:assert/strict";
import { lacks } from "../facilities.ts";
import { ROOT } from "../root.ts";
import { runInGuest } from "./guest.ts";

/** Walls and mounts too: the guest's kernel is older than most machines', and has an older Landlock. */
const SUITES = ["tests/vm/cgroup_suite.ts", "kernel/sandbox/walls_test.ts", "kernel/sandbox/mounts_test.ts"];

Deno.test({
  name: "limits hold on a machine with cgroup v2",
  // The guest's kernel and its busybox come from Debian's packages, and its programs are this machine's.
  ignore: lacks("linux", "qemu") || Deno.build.arch !== "x86_64" || !onDebian(),
  sanitizeResources: false,
  async fn(t) {
    const denoDir = await warm();
    const { status, output } = await runInGuest([Deno.execPath(), "test", "-A", "--no-check", ...SUITES], {
      cwd: ROOT,
      env: { HOME: "/root", DENO_DIR: denoDir, NO_COLOR: "1" },
      timeout: 420,
    });
    const results = [...output.matchAll(/^(.+) \.\.\. (?:.*\n)*?.*?\b(ok|FAILED|ignored) \(\d/gm)];
    for (const [, name = "", result] of results) {
      await t.step({ name, ignore: result === "ignored", fn: () => ok(result === "ok", output) });
    }
    ok(results.length > 0 && status === 0, output);
  },
});

/** What the suites start beside themselves. */
const PROGRAMS = [
  "cli/main.ts",
  "cli/commands/run.ts",
  "kernel/main.ts",
  "examples/fault_isolation.ts",
  "tests/sandbox_fixture.ts",
];

/** Compiles on the host: the guest has no network, and is slow. */
async function warm(): Promise<string> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", ...[...SUITES, ...PROGRAMS].map((path) => `${ROOT}/${path}`)],
  })
    .output();
  ok(success, new TextDecoder().decode(stderr));
  const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(info.stdout)).denoDir;
}

function onDebian(): boolean {
  try {
    return Deno.statSync("/etc/debian_version").isFile;
  } catch {
    return false; // another system
  }
}
