import { match, strictEqual } from "node:assert/strict";
import { clove } from "./fixture_test.ts";
import { startKernel } from "../kernel/main.ts";

Deno.test("clove secret keeps what comes in, names it, and removes it; the value is in no output", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-cli-secret-" });
  const socket = `${dir}/clove.sock`;
  const kernel = await startKernel({ socket, sandbox: false, logLevel: "error" });
  const secret = (args: string[], input?: string) =>
    clove(["--socket", socket, "secret", ...args], { input });
  try {
    const empty = await secret(["set", "API_TOKEN"], "");
    strictEqual(empty.status, 1);
    match(empty.stderr, /value required/);
    strictEqual((await secret(["set"], "x")).status, 2);
    const refused = await secret(["set", "API_TOKEN"], "two lines\nof value\n");
    match(refused.stderr, /control character/);
    strictEqual(refused.stderr.includes("two lines"), false);
    strictEqual((await secret(["set", "API_TOKEN"], "s3cr3t-value-1\n")).status, 0);
    const listed = await secret(["list"]);
    match(listed.stdout, /^NAME +CREATED +UPDATED\nAPI_TOKEN +\d{4}-/);
    strictEqual(listed.stdout.includes("s3cr3t"), false);
    strictEqual((await secret(["remove", "API_TOKEN"])).status, 0);
    const gone = await secret(["remove", "API_TOKEN"]);
    strictEqual(gone.status, 1);
    match(gone.stderr, /there is none of that name/);
  } finally {
    await kernel.close();
    await Deno.remove(dir, { recursive: true });
  }
});
