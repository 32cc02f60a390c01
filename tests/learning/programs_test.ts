/**
 * Three real programs are learned from. Each runs again under the policy that came of it, and under none that lacks
 * one of its rules.
 *
 * @module
 */
import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { AgentSpawnParams } from "@clove/sdk";
import { lacks } from "../facilities.ts";
import { type Rig, rig } from "./fixture.ts";

const ignore = lacks("linux", "landlock", "seccomp");

/** A program, and how to make the place ready for one run of it. */
interface Subject {
  readonly params: AgentSpawnParams;
  /** What only the run that is learned from gets: afterwards its rules have to be enough. */
  readonly given?: AgentSpawnParams;
  prepare(): Promise<void>;
  /** Whether the run did what it was to do. */
  done(): Promise<boolean>;
}

/** Learns, runs again, and runs without each rule. */
async function hold(box: Rig, subject: Subject, expected: readonly string[]): Promise<void> {
  await subject.prepare();
  const learned = await box.learn({ ...subject.params, ...subject.given });
  strictEqual(learned.status, 0, learned.output);
  ok(await subject.done(), "the run that was learned from did its work");
  const rules = learned.rules.map(({ rule }) => rule);
  deepStrictEqual(rules, expected);
  for (const { rule, count, examples } of learned.rules) ok(count > 0 && examples.length > 0, rule);

  await subject.prepare();
  const again = await box.run({ ...subject.params, policy: rules });
  strictEqual(again.status, 0, again.output);
  ok(await subject.done(), "the run under the policy did its work");
  for (const missing of rules) {
    await subject.prepare();
    const less = await box.run({ ...subject.params, policy: rules.filter((rule) => rule !== missing) });
    notStrictEqual(less.status, 0, `without ${missing} it still succeeds`);
  }
}

async function write(path: string, text: string, mode = 0o644): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, mode);
}

/** An empty directory, for a fresh run. */
async function empty(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(path, { recursive: true });
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const PYTHON = `
import json, subprocess, sys, tempfile
base = sys.argv[1]
separator = json.load(open(base + "/settings.json"))["separator"]
parts = [open(f"{base}/parts/{name}").read() for name in ("one", "two", "three", "four")]
with tempfile.TemporaryFile("w+") as scratch:
    scratch.write("".join(parts))
    scratch.seek(0)
    done = subprocess.run(["/usr/bin/sort", "-r"], stdin=scratch, capture_output=True, text=True, check=True)
with open(base + "/out/report", "w") as report:
    report.write(done.stdout + separator)
`;

Deno.test({
  name: "a Python script is learned from, down to the program it runs",
  ignore,
  async fn() {
    await using box = await rig();
    const base = `${box.directory}/py`;
    await write(`${base}/app/report.py`, PYTHON);
    await write(`${base}/settings.json`, '{"separator": "--"}');
    for (const name of ["one", "two", "three", "four"]) await write(`${base}/parts/${name}`, `${name}\n`);
    await hold(box, {
      params: { script: `${base}/app/report.py`, args: [base] },
      given: { rw: [`${base}/out`] },
      prepare: () => empty(`${base}/out`),
      done: () => exists(`${base}/out/report`),
    }, [
      "exec:/usr/bin/sort",
      "fs.read:/tmp/",
      `fs.read:${base}/parts/`,
      `fs.read:${base}/settings.json`,
      "fs.write:/tmp/",
      `fs.write:${base}/out/`,
    ]);
  },
});

Deno.test({
  name: "git is learned from, with the hook it runs and the shell behind that",
  ignore,
  async fn() {
    await using box = await rig();
    const repository = `${box.directory}/repository`;
    const git = async (...args: string[]): Promise<string> => {
      const { success, stdout, stderr } = await new Deno.Command("/usr/bin/git", {
        args: ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args],
        cwd: repository,
        env: { GIT_CONFIG_GLOBAL: "/dev/null" },
      }).output();
      ok(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    const [subject, quiet] = [["-c", "user.name=t", "-c", "user.email=t@example.com"], [
      "-c",
      "maintenance.auto=false",
    ]];
    await hold(box, {
      params: {
        command: ["git", ...subject, ...quiet, "commit", "-am", "second"],
        workdir: repository,
      },
      async prepare() {
        await empty(repository);
        await git("init", "-q");
        await write(`${repository}/notes.txt`, "one\n");
        await git("add", "notes.txt");
        await git("commit", "-q", "-m", "first");
        await write(`${repository}/notes.txt`, "two\n");
        await write(`${repository}/.git/hooks/pre-commit`, "#!/bin/sh\nexit 0\n", 0o755);
      },
      done: async () => (await git("log", "--format=%s")).startsWith("second\n"),
    }, [
      `exec:${await Deno.realPath("/bin/sh")}`,
      "exec:/work/.git/hooks/pre-commit",
      "fs.read:/work/.git/",
      "fs.read:/work/notes.txt",
      "fs.write:/work/.git/",
    ]);
  },
});

const DENO = `
import { connect } from "@clove/sdk";
const [base, service] = Deno.args;
let text = "";
for (const name of ["one", "two", "three", "four"]) text += await Deno.readTextFile(\`\${base}/parts/\${name}\`);
text += await (await fetch(\`\${service}/items/7\`)).text();
if (Deno.env.get("CITY") !== undefined) throw new Error("a variable nobody gave");
const { success } = await new Deno.Command("/usr/bin/true").output();
await using clove = await connect();
await clove.state.store({ key: "length", value: text.length });
await Deno.writeTextFile(\`\${base}/out/result\`, \`\${success} \${text}\`);
`;

Deno.test({
  name: "a Deno script is learned from: files, hosts, variables, programs and syscalls",
  ignore,
  async fn() {
    await using box = await rig();
    await using service = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      () => new Response("seven"),
    );
    const host = `http://127.0.0.1:${service.addr.port}`;
    const base = `${box.directory}/deno`;
    await write(`${base}/app/app.ts`, DENO);
    for (const name of ["one", "two", "three", "four"]) await write(`${base}/parts/${name}`, `${name}\n`);
    await hold(box, {
      params: { script: `${base}/app/app.ts`, args: [base, host] },
      given: { rw: [`${base}/out`], policy: [`net:${host}`] },
      prepare: () => empty(`${base}/out`),
      done: () => exists(`${base}/out/result`),
    }, [
      "env:CITY",
      "exec:/usr/bin/true",
      `fs.read:${base}/parts/`,
      `fs.write:${base}/out/`,
      `net:${host} GET /items/7`,
      "state:length",
    ]);
  },
});
