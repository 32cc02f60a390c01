/** A program written for the original Python SDK runs against the kernel and sees what it expects. */
import { ok, strictEqual } from "node:assert/strict";
import { startKernel } from "../../../kernel/main.ts";
import { lacks } from "../../facilities.ts";
import { fromFileUrl } from "../../root.ts";

const CHECKS = fromFileUrl(new URL("checks.py", import.meta.url));

Deno.test({
  name: "the original Python SDK's calls are answered as it reads them",
  ignore: lacks("python3", "linux"),
  async fn(t) {
    const directory = await Deno.realPath(await Deno.makeTempDir({ prefix: "clove-python-" }));
    try {
      const socket = `${directory}/clove.sock`;
      await using _kernel = await startKernel({ socket, sandbox: false, logLevel: "error", onLog: () => {} });
      const command = new Deno.Command("python3", {
        args: ["-B", CHECKS, socket, directory],
        stderr: "inherit",
      });
      const { stdout } = await command.output();
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      ok(lines.length > 20, "the program of checks ended early");
      for (const line of lines) {
        const [, outcome, name, reason = ""] = /^(ok|skip|failed) ([^:]*)(?:: (.*))?$/.exec(line) ?? [];
        await t.step({
          name: name ?? line,
          ignore: outcome === "skip",
          fn: () => strictEqual(outcome, "ok", reason),
        });
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
