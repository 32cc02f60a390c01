/** A kernel that is told twice to stop. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { verifyAudit } from "./audit/offline.ts";

const MAIN = new URL("./main.ts", import.meta.url).pathname;

Deno.test("a kernel that is ended before its agents are leaves a signed audit log", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-abandon-" });
  try {
    const socket = `${dir}/clove.sock`;
    const kernel = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-prompt", MAIN, "--no-sandbox", "--socket", socket, "--data", `${dir}/data`],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const clove = await reached(socket);
    const stubborn = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    await clove.agent.spawn({ name: "stubborn", command: ["sh", "-c", stubborn], grace_ms: 60_000 });
    for await (const _ of clove.agent.output({ name: "stubborn", follow: true })) break;
    kernel.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 300));
    kernel.kill("SIGINT");
    strictEqual((await kernel.status).code, 130);
    await clove.close().catch(() => {}); // The other end is gone.
    const { status, problem } = verifyAudit(`${dir}/data`);
    deepStrictEqual([status, problem], ["intact", null]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

async function reached(socket: string): ReturnType<typeof connect> {
  for (let tries = 0;; tries++) {
    try {
      return await connect({ path: socket });
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
