import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { once } from "node:events";
import { fileNeed } from "../../permissions/mod.ts";
import type { Agent } from "./agent.ts";
import { Bench, FakeLauncher } from "./fake_launcher_test.ts";
import { createPlainLauncher } from "./plain.ts";
import { processStat, sessionMembers } from "./processes.ts";

const linux = Deno.build.os === "linux";

/** A bench with real, plain processes, and a directory for scripts. */
async function plain(test: (bench: Bench, scripts: string) => Promise<void>): Promise<void> {
  await using bench = new Bench(() => createPlainLauncher());
  const scripts = `${bench.runDir}/project`;
  await Deno.mkdir(scripts);
  await test(bench, scripts);
}

async function script(path: string, text: string): Promise<string> {
  await Deno.writeTextFile(path, text);
  return path;
}

function written(agent: Agent, stream?: "stdout" | "stderr"): string {
  const { chunks } = agent.output.read(0);
  return chunks.filter((chunk) => !stream || chunk.stream === stream)
    .map((chunk) => new TextDecoder().decode(chunk.bytes)).join("");
}

Deno.test("a Deno agent is held by its policy: no host file, no command, no network, no foreign variable", () =>
  plain(async (bench, scripts) => {
    const probe = await script(
      `${scripts}/probe.ts`,
      `const tries: Record<string, () => unknown> = {
        passwd: () => Deno.readTextFileSync("/etc/passwd"),
        hosts: () => Deno.readTextFileSync("/etc/hosts"),
        up: () => Deno.readTextFileSync("../../../clove_sdk.js"),
        write: () => Deno.writeTextFileSync("/etc/clove-probe", ""),
        run: () => new Deno.Command("/bin/true").outputSync(),
        net: () => Deno.listen({ port: 0 }),
        env: () => Deno.env.get("SECRET"),
        ffi: () => Deno.dlopen("libc.so.6", {}),
        work: () => (Deno.writeTextFileSync("a.txt", "x"), Deno.readTextFileSync("a.txt")),
        own: () => Deno.env.get("CLOVE_AGENT_NAME"),
        given: () => Deno.env.get("GIVEN"),
      };
      for (const [name, act] of Object.entries(tries)) {
        try { console.log(name, act()); } catch (error) { console.log(name, "refused", (error as Error).name); }
      }`,
    );
    Deno.env.set("SECRET", "leak");
    const agent = await bench.spawn({ script: probe, name: "probe", env: { GIVEN: "yes" } });
    strictEqual((await agent.finished).code, 0, written(agent));
    Deno.env.delete("SECRET");
    deepStrictEqual(written(agent).trim().split("\n"), [
      "passwd refused NotCapable",
      "hosts refused NotCapable",
      "up refused NotCapable",
      "write refused NotCapable",
      "run refused NotCapable",
      "net refused NotCapable",
      "env refused NotCapable",
      "ffi refused NotCapable",
      "work x",
      "own probe",
      "given yes",
    ]);
    // The same probe with nothing to hold it: everything goes through, so the refusals above are the policy's.
    const free = await bench.spawn({ script: probe, level: "unrestricted", sandboxed: false });
    await free.finished;
    match(written(free), /passwd root/);
    await Deno.remove("/etc/clove-probe").catch(() => {});
  }));

Deno.test("the SDK resolves by name in a script anywhere, and arguments arrive", () =>
  plain(async (bench, scripts) => {
    const agent = await bench.spawn({
      script: await script(
        `${scripts}/a.ts`,
        `import { bundle } from "@clove/sdk"; console.log(bundle, Deno.args);`,
      ),
      args: ["-A", "two words"],
    });
    strictEqual((await agent.finished).code, 0, written(agent));
    strictEqual(written(agent), 'true [ "-A", "two words" ]\n');
  }));

Deno.test(
  "a Python agent gets the socket's path unless it was given arguments",
  { ignore: !linux },
  () =>
    plain(async (bench, scripts) => {
      const path = await script(
        `${scripts}/a.py`,
        "import os, sys\nprint(sys.argv[1:], os.getcwd(), sorted(os.environ), os.environ['CLOVE_SOCKET'])\n",
      );
      const plainly = await bench.spawn({ script: path, name: "py" });
      const exactly = await bench.spawn({ script: path, args: [] });
      await plainly.finished;
      await exactly.finished;
      const work = `${bench.runDir}/agents/${plainly.id}/work`;
      const socket = `${bench.runDir}/agents/${plainly.id}/clove.sock`;
      const [line] = written(plainly).split("\n");
      ok(line!.startsWith(`['${socket}'] ${work} [`), line);
      ok(line!.endsWith(`] ${socket}`));
      const names = line!.slice(line!.indexOf(" [") + 2).match(/'[A-Z_]+'/g)!.map((name) =>
        name.slice(1, -1)
      );
      deepStrictEqual(
        names.filter((name) => !["DENO_EXTRA_STDIO_FDS", "LC_CTYPE", "CLOVE_RUN"].includes(name)),
        ["CLOVE_AGENT_ID", "CLOVE_AGENT_NAME", "CLOVE_FD", "CLOVE_SOCKET", "HOME", "LANG", "PATH", "TMPDIR"],
      );
      match(written(exactly), /^\[\] /);
    }),
);

Deno.test("descriptor 3 reaches the kernel as the agent's own connection", () =>
  plain(async (bench) => {
    const agent = await bench.spawn({
      command: ["sh", "-c", "echo hello >&3; read answer <&3; echo got $answer"],
    });
    const { socket, principal } = bench.channels[0]!;
    strictEqual(principal, agent.principal);
    strictEqual(String((await once(socket, "data"))[0]), "hello\n");
    socket.write("kernel\n");
    await agent.finished;
    strictEqual(written(agent), "got kernel\n");
  }));

Deno.test("input is written and closed; without input there is none to write to", () =>
  plain(async (bench) => {
    const deaf = await bench.spawn({ command: ["sleep", "5"] });
    await rejects(deaf.input(new Uint8Array(1), false), /it has none, spawn it with stdin/);
    const agent = await bench.spawn({ command: ["cat"], stdin: true });
    await agent.input(new TextEncoder().encode("through "), false);
    await agent.input(new TextEncoder().encode("the pipe"), true);
    await agent.finished;
    strictEqual(written(agent), "through the pipe");
    await rejects(agent.input(new Uint8Array(1), false), /it has none/);
  }));

Deno.test(
  "an agent killed from outside is noticed, with its signal",
  { ignore: !linux },
  () =>
    plain(async (bench) => {
      const agent = await bench.spawn({ command: ["sleep", "60"] });
      Deno.kill(agent.pid, "SIGKILL");
      const exit = await agent.finished;
      deepStrictEqual([exit.code, exit.signal, exit.reason, exit.cause], [
        137,
        "SIGKILL",
        "killed",
        "killed by SIGKILL",
      ]);
      deepStrictEqual(bench.events("exit_code", "signal", "reason").at(-1), [
        "AGENT_EXITED",
        137,
        "SIGKILL",
        "killed",
      ]);
    }),
);

Deno.test(
  "a paused tree is stopped as a whole, and nothing of it survives a kill",
  { ignore: !linux },
  () =>
    plain(async (bench) => {
      const agent = await bench.spawn({
        command: ["sh", "-c", "trap '' TERM; sleep 60 & sleep 60 & wait"],
        grace_ms: 100,
      });
      for (let i = 0; i < 100 && (await sessionMembers(agent.pid)).length < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const { pid } = agent;
      await agent.pause(1);
      strictEqual((await agent.stop({ by: 1 })).signal, "SIGKILL");
      deepStrictEqual(await sessionMembers(pid), []);
    }),
);

Deno.test("a slow stop holds up nobody else", () =>
  plain(async (bench) => {
    const stubborn = await bench.spawn({
      command: ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
      grace_ms: 600,
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stopped = stubborn.stop({ by: 1 });
    let longest = 0;
    for (let last = performance.now(), i = 0; i < 40; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    strictEqual(stubborn.state, "stopping");
    ok(longest < 300, `the loop stood still for ${longest} ms`);
    await stopped;
  }));

Deno.test("a flood of output is bounded and holds up nobody", () =>
  plain(async (bench) => {
    const agent = await bench.spawn({ command: ["sh", "-c", "yes flood"] });
    let longest = 0;
    for (let last = performance.now(), i = 0; i < 40; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    ok(agent.output.lastSeq > 0 && agent.output.bytes <= 4 * 1024 * 1024);
    ok(longest < 300, `the loop stood still for ${longest} ms`);
    await agent.stop({ by: 1, graceMs: 0 });
  }));

Deno.test("a work directory of the caller's is worked in, and read and written under its name", () =>
  plain(async (bench) => {
    const workdir = `${bench.runDir}/given`;
    await Deno.mkdir(workdir);
    const agent = await bench.spawn({ command: ["sh", "-c", "echo made > made; sleep 5"], workdir });
    for (let i = 0; i < 100 && !written(agent) && i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    strictEqual(await Deno.readTextFile(`${workdir}/made`), "made\n");
    const view = bench.agents.viewOf(agent.principal);
    deepStrictEqual(view.mounts!.find(({ inside }) => inside === "/work"), {
      inside: "/work",
      outside: workdir,
      mode: "rw",
    });
    ok(agent.principal.authority.weigh(fileNeed("fs.write", "/work/x"), 0).allowed);
    await agent.stop({ by: 1 });
    ok((await Deno.stat(workdir)).isDirectory, "only private directories are removed");
  }));

Deno.test("private directories are the agent's alone, and gone when it has ended", () =>
  plain(async (bench) => {
    const agent = await bench.spawn({ command: ["sh", "-c", "touch here; stat -c %a . $TMPDIR; sleep 5"] });
    const root = `${bench.runDir}/agents/${agent.id}`;
    for (let i = 0; i < 100 && written(agent).length < 8; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    strictEqual(written(agent), "700\n700\n");
    await agent.stop({ by: 1 });
    for (let i = 0; i < 100; i++) {
      if (!(await Deno.stat(root).catch(() => null))) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`Still there: ${root}`);
  }));

Deno.test("a process is recognised as its agent's: itself, its children, who changed session", {
  ignore: !linux,
}, () =>
  plain(async (bench) => {
    const agent = await bench.spawn({
      command: ["sh", "-c", "sleep 60 & echo $!; setsid sh -c 'echo $$; exec sleep 60' & wait"],
    });
    for (let i = 0; i < 100 && written(agent).split("\n").length < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const pids = written(agent).trim().split("\n").map(Number);
    strictEqual(pids.length, 2);
    for (const pid of [agent.pid, ...pids]) {
      strictEqual(bench.agents.agentOfPid(pid), agent.principal, String(pid));
    }
    strictEqual(bench.agents.agentOfPid(Deno.pid), undefined);
    strictEqual(bench.agents.standingOf(Deno.pid), "stranger");
    await agent.stop({ by: 1, graceMs: 0 });
    strictEqual(bench.agents.standingOf(agent.pid || 4_194_303), "gone");
    // In a container nobody may reap it: a zombie has ended as well.
    ok(((await processStat(pids[1]!))?.state ?? "Z") === "Z", "who left the session is ended too");
  }));

Deno.test("an agent's commands share the cgroup of its run, and have none of their own to share without one", async () => {
  let launcher!: FakeLauncher;
  await using bench = new Bench((clock) => launcher = new FakeLauncher(clock));
  const agent = await bench.spawn({ command: ["sleep", "60"] });
  const shares = (): string | undefined => bench.agents.confinementOf(agent.principal)?.request.shares;
  strictEqual(shares(), undefined);
  Object.defineProperty(launcher.last, "cgroup", { value: "/cgroup/of/the/agent" });
  strictEqual(shares(), "/cgroup/of/the/agent");
});
