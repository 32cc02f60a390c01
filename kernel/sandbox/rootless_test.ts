/** The suites of this folder once more, as an ordinary user: a root kernel's tests do not show what such a one gets. */
import { ok } from "node:assert/strict";
import { fromFileUrl } from "../../tests/root.ts";
import { lacks } from "../../tests/facilities.ts";

const USER = 65534;

for (const suite of ["walls_test.ts", "lifecycle_test.ts", "mounts_test.ts"]) {
  Deno.test({
    name: `as an ordinary user: ${suite}`,
    // Someone who is not root has run it as such already.
    ignore: lacks("linux", "root", "userns") || !(await canRead(suite)),
    async fn() {
      const home = await Deno.makeTempDir({ prefix: "clove-rootless-" });
      try {
        await Deno.chown(home, USER, USER);
        const { success, stdout, stderr } = await asUser(home, "test", "-A", "--no-check", here(suite));
        const text = new TextDecoder();
        ok(success, text.decode(stdout) + text.decode(stderr));
      } finally {
        await Deno.remove(home, { recursive: true });
      }
    },
  });
}

function here(suite: string): string {
  return fromFileUrl(new URL(suite, import.meta.url));
}

async function asUser(home: string, ...args: string[]): Promise<Deno.CommandOutput> {
  return await new Deno.Command("setpriv", {
    args: [`--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", Deno.execPath(), ...args],
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", HOME: home, DENO_DIR: `${home}/deno`, NO_COLOR: "1" },
  }).output();
}

/** Whether that user may run Deno and read the sources: a checkout below /root is not his to see. */
async function canRead(suite: string): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const check = `test -x "$0" && test -r "$1"`;
  const { success } = await new Deno.Command("setpriv", {
    args: [
      `--reuid=${USER}`,
      `--regid=${USER}`,
      "--clear-groups",
      "sh",
      "-c",
      check,
      Deno.execPath(),
      here(suite),
    ],
  }).output();
  return success;
}
