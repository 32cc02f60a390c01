import { ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { lacks } from "../tests/facilities.ts";
import { type ProcessFacts, wantsFlags } from "./v8_flags.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const plain: ProcessFacts = {
  v8: "15.0.245.2-rusty",
  words: ["deno", "run", "-A", "kernel/main.ts", "--ephemeral"],
  flags: undefined,
};

Deno.test("nobody's own choice of flags is overruled, no debugger is lost, no unknown V8 is given flags", () => {
  ok(!wantsFlags({ ...plain, flags: "" }));
  ok(!wantsFlags({ ...plain, flags: "--max-old-space-size=4000" }));
  ok(!wantsFlags({ ...plain, words: ["deno", "run", "-A", "--v8-flags=--expose-gc", "kernel/main.ts"] }));
  ok(!wantsFlags({ ...plain, words: ["deno", "run", "-A", "--inspect-brk", "kernel/main.ts"] }));
  ok(!wantsFlags({ ...plain, words: ["deno", "run", "-A", "--watch", "kernel/main.ts"] }));
  ok(!wantsFlags({ ...plain, v8: "16.0.1" }));
  ok(wantsFlags(plain));
});

/** Runs a kernel until `look` has seen it. */
async function withKernel<T>(env: Record<string, string>, look: (pid: number) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
  const socket = `${directory}/clove.sock`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${ROOT}kernel/main.ts`, "--socket", socket, "--ephemeral"],
    env,
    stderr: "null",
  }).spawn();
  try {
    for (let tries = 0;; tries++) {
      try {
        (await Deno.connect({ transport: "unix", path: socket })).close();
        break;
      } catch (error) {
        if (tries === 400) throw error;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
    return await look(child.pid);
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await Deno.remove(directory, { recursive: true });
  }
}

/** What a process was started with, the last time. */
async function flagsOf(pid: number): Promise<string | undefined> {
  const words = (await Deno.readTextFile(`/proc/${pid}/environ`)).split("\0");
  return words.find((word) => word.startsWith("DENO_V8_FLAGS="))?.slice("DENO_V8_FLAGS=".length);
}

Deno.test({
  name: "flags that were chosen stay, and the kernel starts once",
  ignore: lacks("linux"),
  async fn() {
    strictEqual(await withKernel({ DENO_V8_FLAGS: "--stack-size=900" }, flagsOf), "--stack-size=900");
  },
});

Deno.test({
  name: "a kernel that was started plainly gets V8's flags in the same process",
  ignore: lacks("linux") || !wantsFlags({ ...plain, v8: Deno.version.v8 }),
  async fn() {
    const flags = await withKernel({}, flagsOf);
    ok(flags?.includes("--heap-growing-percent="), `started with ${flags}`);
  },
});

Deno.test({
  name: "a kernel that has nothing to do gives back most of its program",
  ignore: lacks("linux"),
  async fn() {
    const fileMiB = await withKernel({}, async (pid) => {
      let resident = Infinity;
      for (let tries = 0; tries < 100 && resident > 24; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        resident = Number(/RssFile:\s+(\d+)/.exec(await Deno.readTextFile(`/proc/${pid}/status`))![1]) / 1024;
      }
      return resident;
    });
    ok(fileMiB <= 24, `${fileMiB} MiB of files are resident`);
  },
});
