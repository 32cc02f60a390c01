import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Registry } from "./registry.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const TOKEN = "only-for-this-test";
const decoder = new TextDecoder();

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function deno(
  args: readonly string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<Ran> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: options.cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs a step in a registry that has both packages, with a cache that has nothing. */
Deno.test("both packages are published, and run from the registry alone", async (t) => {
  await using registry = new Registry(TOKEN);
  const dir = await Deno.makeTempDir({ prefix: "clove-publish-" });
  const env = { JSR_URL: registry.url, DENO_DIR: `${dir}/deno` };
  const version: string = JSON.parse(await Deno.readTextFile(`${root}deno.json`)).version;
  try {
    await t.step("an upload without the token is refused", async () => {
      const args = ["publish", "--token", "another", "--allow-dirty", "--no-check"];
      const { code } = await deno(args, { cwd: `${root}sdk`, env: { JSR_URL: registry.url } });
      ok(code !== 0);
      deepStrictEqual(registry.files("@clove/sdk", version), []);
    });

    const uploaded = await t.step("both packages are uploaded", async () => {
      const args = ["publish", "--token", TOKEN, "--allow-dirty", "--no-check"];
      // In the root, Deno publishes the root's package and no member of the workspace.
      for (const cwd of [`${root}sdk`, root]) {
        const { code, stderr } = await deno(args, { cwd, env: { JSR_URL: registry.url } });
        strictEqual(code, 0, stderr);
      }
    });
    // Without packages the rest would only say so six times more.
    if (!uploaded) return;

    await t.step("they hold what runs, and nothing that only we need", () => {
      const sdk = registry.files("@clove/sdk", version);
      const kernel = registry.files("@clove/kernel", version);
      for (const path of ["/mod.ts", "/protocol/mod.ts", "/deno.json", "/LICENSE"]) {
        ok(sdk.includes(path), `@clove/sdk lacks ${path}`);
      }
      for (const path of ["/kernel/main.ts", "/cli/main.ts", "/kernel/agents/sdk_bundle.js", "/LICENSE"]) {
        ok(kernel.includes(path), `@clove/kernel lacks ${path}`);
      }
      const needless = [...sdk, ...kernel].filter((path) =>
        /_test\.ts$|^\/(?:tests|bench|examples|tools|testing|\.ci|\.git|sdk|deno\.lock)(?:\/|$)/.test(path)
      );
      deepStrictEqual(needless, []);
    });

    await t.step("a program that imports the SDK is checked and runs", async () => {
      const program = `import { connect, SyscallError } from "jsr:@clove/sdk@${version}";
import { MAGIC } from "jsr:@clove/sdk@${version}/protocol";
try {
  await connect({ path: "${dir}/nobody.sock" });
} catch (error) {
  console.log(MAGIC, SyscallError.name, (error as Error).name);
}
`;
      await Deno.writeTextFile(`${dir}/program.ts`, program);
      const args = ["run", "--check", "--no-config", "-A", "program.ts"];
      const { stdout, stderr } = await deno(args, { cwd: dir, env });
      strictEqual(stdout, "1095192148 SyscallError ConnectionError\n", stderr);
      ok(!stderr.includes("npm"), "the SDK's main door has a dependency");
    });

    await t.step("the kernel says its version", async () => {
      const args = ["run", "--no-config", "-A", `jsr:@clove/kernel@${version}`, "--version"];
      const { code, stdout, stderr } = await deno(args, { cwd: dir, env });
      strictEqual(code, 0, stderr);
      match(stdout, new RegExp(`^clove ${version.replaceAll(".", "\\.")}\\n$`));
    });

    await t.step("the command line says its version", async () => {
      const args = ["run", "--no-config", "-A", `jsr:@clove/kernel@${version}/cli`, "--version"];
      const { code, stdout, stderr } = await deno(args, { cwd: dir, env });
      strictEqual(code, 0, stderr);
      match(stdout, new RegExp(`${version.replaceAll(".", "\\.")}\\n$`));
    });

    await t.step("the command line runs an agent, which finds the SDK without a registry", async () => {
      const agent = `import { connect } from "@clove/sdk";
await using clove = await connect();
console.log((await clove.sys.hello()).kind, clove.protocol);
`;
      await Deno.mkdir(`${dir}/agent`);
      await Deno.writeTextFile(`${dir}/agent/agent.ts`, agent);
      const run = ["--socket", `${dir}/none.sock`, "run", `${dir}/agent/agent.ts`];
      const args = ["run", "--no-config", "-A", `jsr:@clove/kernel@${version}/cli`, ...run];
      const { code, stdout, stderr } = await deno(args, { cwd: dir, env });
      strictEqual(stdout, "agent 2\n", stderr);
      strictEqual(code, 0, stderr);
    });

    await t.step("the kernel serves a program that imports the SDK", async () => {
      const socket = `${dir}/kernel.sock`;
      const kernel = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-config",
          "-A",
          `jsr:@clove/kernel@${version}`,
          "--ephemeral",
          "--log-level",
          "warn",
          "--socket",
          socket,
        ],
        cwd: dir,
        env: { NO_COLOR: "1", ...env },
        stdin: "null",
        stdout: "null",
        stderr: "inherit",
      }).spawn();
      try {
        await appears(socket);
        const program = `import { connect } from "jsr:@clove/sdk@${version}";
await using clove = await connect({ path: "${socket}" });
await clove.state.store({ key: "greeting", value: "hello" });
console.log(clove.protocol, clove.version, (await clove.state.fetch({ key: "greeting" })).value);
`;
        await Deno.writeTextFile(`${dir}/client.ts`, program);
        const args = ["run", "--check", "--no-config", "-A", "client.ts"];
        const { stdout, stderr } = await deno(args, { cwd: dir, env });
        strictEqual(stdout, `2 ${version} hello\n`, stderr);
      } finally {
        if (!await ended(kernel)) kernel.kill("SIGTERM");
        strictEqual((await kernel.status).code, 0, "the kernel did not stop in order");
      }
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a dry run of publishing finds nothing to complain about", async () => {
  for (const cwd of [`${root}sdk`, root]) {
    const { code, stderr } = await deno(["publish", "--dry-run", "--allow-dirty"], { cwd, env: {} });
    strictEqual(code, 0, stderr);
    ok(!/warning/i.test(stderr), stderr);
  }
});

Deno.test("every public symbol of the SDK is documented", async () => {
  const { code, stderr } = await deno(["doc", "--lint", "mod.ts", "protocol/mod.ts"], {
    cwd: `${root}sdk`,
    env: {},
  });
  strictEqual(code, 0, stderr);
});

/** True when a process is no longer there to be signalled. */
async function ended(child: Deno.ChildProcess): Promise<boolean> {
  return await Promise.race([child.status.then(() => true), Promise.resolve(false)]);
}

async function appears(path: string): Promise<void> {
  const until = performance.now() + 20_000;
  while (performance.now() < until) {
    try {
      await Deno.lstat(path);
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Cannot go on: nothing appeared at "${path}" within 20 s`);
}
