/** What is taken from a running Deno agent is refused at its next access, behind walls and without any. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Clove, connect } from "@clove/sdk";
import { startKernel } from "../kernel/main.ts";
import { lacks } from "./facilities.ts";

/** Tries what it is mailed, and answers with what came of it. */
const AGENT = `import { connect } from "@clove/sdk";
await using clove = await connect();
const acts: Record<string, (value: string) => unknown> = {
  read: (value) => Deno.readTextFileSync(value),
  write: (value) => Deno.writeTextFileSync(value, "new"),
  env: (value) => Deno.env.get(value),
  run: (value) => new Deno.Command(value).outputSync().code,
  listen: (value) => Deno.listen({ hostname: "127.0.0.1", port: Number(value) }).close(),
  chdir: (value) => Deno.chdir(value),
};
for await (const { from, message } of clove.messages()) {
  const { act, value } = message as { act: string; value: string };
  let answer: string;
  try { answer = String(acts[act]!(value)); } catch (error) { answer = (error as Error).name + ": " + (error as Error).message; }
  await clove.ipc.send({ to: from, message: answer });
}
`;

interface Rig {
  readonly operator: Clove;
  readonly dir: string;
  /** Lets an agent act; resolves with what came of it. */
  readonly act: (agent: number, act: string, value: string) => Promise<string>;
  readonly spawn: (params: Partial<Parameters<Clove["agent"]["spawn"]>[0]>) => Promise<number>;
}

async function rig(sandbox: boolean, test: (rig: Rig) => Promise<void>): Promise<void> {
  const dir = Deno.realPathSync(await Deno.makeTempDir({ dir: "/var/tmp", prefix: "clove-test-" }));
  await Deno.chmod(dir, 0o755);
  await Deno.mkdir(`${dir}/project`);
  await Deno.writeTextFile(`${dir}/project/agent.ts`, AGENT);
  await Deno.writeTextFile(`${dir}/project/data.txt`, "data");
  await Deno.writeTextFile(`${dir}/secret.txt`, "secret");
  try {
    await using kernel = await startKernel({ sandbox, logLevel: "error", onLog: () => {} });
    await using operator = await connect({ transport: kernel.connect() });
    await test({
      operator,
      dir,
      spawn: async (params) => {
        const script = `${dir}/project/agent.ts`;
        return (await operator.agent.spawn({ script, ...params })).agent_id;
      },
      act: async (to, act, value) => {
        await operator.ipc.send({ to, message: { act, value } });
        const { messages: [answer] } = await operator.ipc.recv({ wait: true, timeout_ms: 20_000 });
        return String(answer!.message);
      },
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (
  const [where, sandbox, ignore] of [
    ["behind walls", true, lacks("linux") || (lacks("root") && lacks("userns"))],
    ["without walls", false, lacks("linux")],
  ] as const
) {
  Deno.test(
    `${where}: rights come and go while an agent runs`,
    { ignore },
    () =>
      rig(sandbox, async ({ operator, dir, spawn, act }) => {
        const agent = await spawn({ name: "worker", env: { GIVEN: "yes" } });
        const data = `${dir}/project/data.txt`;
        match(
          await act(agent, "read", `${dir}/secret.txt`),
          /^NotCapable: Cannot read ".*secret.txt": it is outside/,
        );
        match(
          await act(agent, "write", data),
          /^NotCapable: Cannot write ".*": the agent was given it for reading only/,
        );
        match(
          await act(agent, "env", "OTHER"),
          /^NotCapable: Cannot see the variable "OTHER": level sandboxed/,
        );
        match(await act(agent, "run", "/bin/true"), /^NotCapable: Cannot run "\/bin\/true"/);
        match(await act(agent, "listen", "0"), /^NotCapable: Cannot reach "tcp:\/\/127\.0\.0\.1:1"/);
        deepStrictEqual(
          [
            await act(agent, "read", data),
            await act(agent, "env", "GIVEN"),
            await act(agent, "write", "/work/x"),
          ],
          sandbox ? ["data", "yes", "undefined"] : ["data", "yes", await act(agent, "write", "/work/x")],
        );
        strictEqual(await act(agent, "write", "x"), "undefined");

        const { grant_id } = await operator.perms.grant({
          name: "worker",
          rules: ["exec:/bin/true", "env:OTHER"],
        });
        strictEqual(await act(agent, "env", "OTHER"), "undefined");
        strictEqual(await act(agent, "run", "/bin/true"), "0");
        await operator.perms.revoke({ name: "worker", grant_id });
        match(await act(agent, "run", "/bin/true"), /NotCapable/);

        await operator.perms.set({ agent_id: agent, level: "minimal" });
        strictEqual(
          await act(agent, "read", "x"),
          'NotCapable: Cannot read "/work/x": level minimal: fs.read allows nothing; ' +
            "to allow it: clove perms grant worker fs.read:/work/x",
        );
        const { entries } = await operator.audit.log({ event_type: "SYSCALL_BLOCKED", limit: 50 });
        const last = entries.at(-1)! as { details: Record<string, unknown> };
        deepStrictEqual(
          [last.details.syscall, last.details.need, last.details.rule],
          ["deno.read", "fs.read:/work/x", "level minimal: fs.read allows nothing"],
        );
      }),
  );

  Deno.test(
    `${where}: relative paths are judged from where the agent has gone`,
    { ignore },
    () =>
      rig(sandbox, async ({ dir, spawn, act }) => {
        const policy = ["ipc:*", "fs.read:/work/**", "fs.write:/work/**", `fs.read:${dir}/project/**`];
        const agent = await spawn({ policy: [...policy, `deny fs.read:${dir}/project/data.txt`] });
        strictEqual(await act(agent, "write", "data.txt"), "undefined");
        strictEqual(await act(agent, "read", "data.txt"), "new");
        strictEqual(await act(agent, "chdir", `${dir}/project`), "undefined");
        match(await act(agent, "read", "data.txt"), /NotCapable: .*deny fs\.read/);
        match(await act(agent, "write", "other.txt"), /NotCapable: .*for reading only/);
        match(await act(agent, "read", "agent.ts"), /clove/);
      }),
  );
}

Deno.test(
  "with flags an agent keeps what it was started with",
  { ignore: lacks("linux") },
  () =>
    rig(false, async ({ operator, spawn, act }) => {
      const agent = await spawn({ permissions: "flags" });
      strictEqual(await act(agent, "write", "x"), "undefined");
      match(await act(agent, "env", "OTHER"), /^NotCapable: Requires env access to "OTHER"/);
      await operator.perms.set({ agent_id: agent, level: "minimal" });
      strictEqual(await act(agent, "read", "x"), "new");
      await operator.perms.set({ agent_id: agent, policy: ["env:*", "ipc:*"] });
      match(await act(agent, "env", "OTHER"), /Requires env access/);
    }),
);

Deno.test("another agent's broker decides for nobody else, where no wall hides it", {
  ignore: lacks("linux", "root"),
}, () =>
  rig(false, async ({ operator, dir, spawn }) => {
    const rich = await spawn({ name: "rich", level: "unrestricted" });
    const poor = await operator.agent.spawn({
      name: "poor",
      policy: ["exec:*"],
      sandboxed: false,
      command: [
        "sh",
        "-c",
        `cd ${dir} && DENO_PERMISSION_BROKER_PATH="$(dirname "$CLOVE_SOCKET")/../${rich}/broker.sock" ` +
        `DENO_LOG=off DENO_DIR=${dir}/cache "$0" eval 'console.log(Deno.readTextFileSync("secret.txt"))'; echo status $?`,
        Deno.execPath(),
      ],
    });
    await operator.agent.wait({ id: poor.agent_id });
    let text = "";
    for await (const part of operator.agent.output({ id: poor.agent_id, follow: true })) {
      text += part.text ?? "";
    }
    ok(!text.includes("secret"), text);
    match(text, /status 87/);
  }));

Deno.test(
  "only a Deno script asks a broker",
  { ignore: lacks("linux") },
  () =>
    rig(false, async ({ operator }) => {
      const error = await operator.agent.spawn({ command: ["true"], permissions: "broker" }).catch((error) =>
        error
      );
      deepStrictEqual([error.code, /only a Deno script/.test(error.message)], ["bad_request", true]);
    }),
);
