/** What only a cgroup holds, in a guest that has one: the scorecard has no gap there, and the demonstration holds. */
import { match, ok, strictEqual } from "node:assert/strict";
import type { Score } from "../../cli/pentest/verdict.ts";
import { lacks } from "../facilities.ts";
import { ROOT } from "../root.ts";
import { runInGuest } from "../vm/guest.ts";

Deno.test({
  name: "with cgroup v2 memory, CPU and processes are held, and the healthy agent goes on",
  ignore: lacks("linux", "qemu") || Deno.build.arch !== "x86_64" || !isDebian() || isTemporary(),
  sanitizeResources: false,
  async fn() {
    const script = `
deno() { ${JSON.stringify(Deno.execPath())} "$@"; }
deno run -A cli/main.ts pentest --json
deno run -A cli/main.ts run examples/fault_isolation.ts && echo held`;
    const { output } = await runInGuest(["/bin/bash", "-c", script], {
      cwd: ROOT,
      env: { HOME: "/root", DENO_DIR: await warm(), NO_COLOR: "1", PATH: "/usr/bin:/bin" },
      timeout: 240,
    });
    const card = output.split("\n").find((line) => line.startsWith('{"held"'));
    ok(card, output);
    const scores = JSON.parse(card).scores as readonly Score[];
    for (const id of ["memory", "cpu", "fork-bomb"]) {
      const score = scores.find((score) => score.id === id);
      strictEqual(score?.stopped_by, "cgroup", JSON.stringify(score));
    }
    const through = scores.filter(({ outcome }) => outcome === "through" || outcome === "failed");
    ok(through.every(({ id }) => id === "fill-disk"), JSON.stringify(through));
    match(output, /\ncpu-hog .* its limit is 0\.2\nmemory-hog .* killed by the memory limit, 64 MiB\nheld\n/);
  },
});

/** Compiles on the host: the guest has no network, and is slow. */
async function warm(): Promise<string> {
  const entries = [
    "cli/main.ts",
    "cli/commands/pentest.ts",
    "cli/commands/run.ts",
    "kernel/main.ts",
    "sdk/mod.ts",
  ];
  for (const args of [["cache", ...entries], ["info", "--json"]]) {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
    const text = new TextDecoder();
    ok(success, text.decode(stderr));
    if (args[0] === "info") return JSON.parse(text.decode(stdout)).denoDir;
  }
  return "";
}

function isDebian(): boolean {
  try {
    return Deno.statSync("/etc/debian_version").isFile;
  } catch {
    return false; // another system
  }
}

/** The guest has temporary directories of its own, and would not see a checkout there. */
function isTemporary(): boolean {
  return /^\/(tmp|var\/tmp|run)\//.test(ROOT);
}
