/** The suites of this folder once more, as an ordinary user: a root kernel's walls do not show what such a one gets. */
import { ok } from "node:assert/strict";
import { lacks } from "../facilities.ts";
import { ROOT } from "../root.ts";

const USER = 65534;
const SUITES = [
  "symlink",
  "alias_paths",
  "unix_sockets",
  "identity",
  "inspection",
  "machine",
  "argv",
  "exhaustion",
];

Deno.test({
  name: "as an ordinary user: the walls stop the same",
  // Someone who is not root has run them as such already.
  ignore: lacks("linux", "root", "userns", "python3") || !await canRead(),
  async fn(t) {
    const home = await Deno.makeTempDir({ prefix: "clove-rootless-" });
    try {
      await copyPackages(`${home}/deno`);
      await run("chown", ["-R", `${USER}:${USER}`, home]);
      const suites = SUITES.map((name) => `${ROOT}/tests/security/${name}_test.ts`);
      const { success, stdout, stderr } = await asUser(Deno.execPath(), [
        "test",
        "-A",
        "--no-check",
        ...suites,
      ], {
        HOME: home,
        DENO_DIR: `${home}/deno`,
      });
      const text = new TextDecoder();
      const output = text.decode(stdout);
      const results = [...output.matchAll(/^(\S.*) \.\.\. (ok|FAILED|ignored) (?:\(|$)/gm)];
      for (const [, name = "", result] of results) {
        await t.step({ name, ignore: result === "ignored", fn: () => ok(result === "ok", output) });
      }
      ok(success && results.length > 0, output + text.decode(stderr));
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  },
});

/** The kernel's npm packages: that user may have no way to the registry. */
async function copyPackages(to: string): Promise<void> {
  const { stdout } = await run(Deno.execPath(), ["info", "--json"]);
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as { npmCache: string };
  await Deno.mkdir(to);
  await run("cp", ["-r", npmCache, `${to}/npm`]);
}

async function run(program: string, args: readonly string[]): Promise<Deno.CommandOutput> {
  const output = await new Deno.Command(program, { args: [...args] }).output();
  ok(output.success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(output.stderr)}`);
  return output;
}

async function asUser(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Deno.CommandOutput> {
  return await new Deno.Command("setpriv", {
    args: [`--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", program, ...args],
    clearEnv: true,
    cwd: ROOT,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", NO_COLOR: "1", ...env },
  }).output();
}

/** Whether that user may run Deno and read the sources: a checkout below /root is not his to see. */
async function canRead(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const check = `test -x "$0" && test -r "$1"`;
  return (await asUser("sh", ["-c", check, Deno.execPath(), `${ROOT}/tests/security/rootless_test.ts`]))
    .success;
}
