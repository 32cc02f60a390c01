/**
 * The test command: installs by name what the machine lacks (as root, on Debian), runs every lane, and closes with
 * one line, `N passed, N failed`. What is missing all the same makes tests ignored by name.
 *
 *     deno task test             everything
 *     deno task test kernel sdk  only below these folders
 *
 * @module
 */

/** Debian packages, and a program of each that tells whether it is there. */
const PACKAGES: Readonly<Record<string, string>> = {
  "as": "binutils",
  "cc": "gcc",
  "python3": "python3",
  "git": "git",
  "qemu-system-x86_64": "qemu-system-x86",
};

const LANES: readonly { readonly name: string; readonly args: readonly string[] }[] = [
  { name: "unit and integration", args: ["test", "-A", "--no-prompt", "--permit-no-files"] },
  {
    name: "documentation",
    args: [
      "test",
      "-A",
      "--no-prompt",
      "--doc",
      "--permit-no-files",
      "README.md",
      "sdk/mod.ts",
      "sdk/protocol/mod.ts",
      "kernel/main.ts",
    ],
  },
];

async function has(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", 'command -v "$1" >/dev/null', "sh", program],
  }).output();
  return success;
}

async function install(): Promise<void> {
  const missing: string[] = [];
  for (const [program, name] of Object.entries(PACKAGES)) if (!await has(program)) missing.push(name);
  if (missing.length === 0) return;
  if (Deno.uid() !== 0 || !await has("apt-get")) {
    console.log(`Missing ${missing.join(", ")}: the tests that need them will be ignored by name`);
    return;
  }
  console.log(`Installing ${missing.join(", ")} with apt-get, because some tests need them`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update", "-q"], ["install", "-qy", "--no-install-recommends", ...missing]]) {
    const { success, stderr } = await new Deno.Command("apt-get", {
      args,
      env,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) continue;
    console.log(`Cannot install them: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`);
    return;
  }
}

/** Runs one lane, passing its output through, and reads the runner's closing line. */
async function run(args: readonly string[]): Promise<{ passed: number; failed: number; ignored: number }> {
  const env = { NO_COLOR: "1" };
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdout: "piped",
    stderr: "inherit",
    env,
  }).spawn();
  let last = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    last = (last + decoder.decode(chunk, { stream: true })).slice(-4000);
  }
  const { success } = await child.status;
  const closing = [...last.matchAll(/\| (\d+) passed.*?\| (\d+) failed(?:.*?\| (\d+) ignored)?/g)].at(-1);
  if (!closing) return { passed: 0, failed: success ? 0 : 1, ignored: 0 };
  const [passed, failed, ignored] = [Number(closing[1]), Number(closing[2]), Number(closing[3] ?? 0)];
  // A leak or an uncaught error fails the run without failing a test.
  return { passed, failed: Math.max(failed, success ? 0 : 1), ignored };
}

if (import.meta.main) {
  const only = Deno.args;
  if (only.length === 0) await install();
  const total = { passed: 0, failed: 0, ignored: 0 };
  for (
    const lane of only.length > 0 ? [{ name: only.join(" "), args: [...LANES[0]!.args, ...only] }] : LANES
  ) {
    console.log(`\n== ${lane.name}`);
    const result = await run(lane.args);
    total.passed += result.passed;
    total.failed += result.failed;
    total.ignored += result.ignored;
  }
  if (total.ignored > 0) {
    console.log(`\n${total.ignored} ignored, because this machine lacks what they need (named above)`);
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  Deno.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
}
