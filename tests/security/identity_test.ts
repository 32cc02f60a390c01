/** Being somebody else: by header, by socket, by descent, by mail, by a child. */
import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { attack, type ProbeResult } from "../../cli/pentest/attack.ts";
import { PROBE_PROGRAM } from "../../cli/pentest/program.ts";
import { encodeFrame, FrameParser } from "../../sdk/protocol/mod.ts";
import { lacks } from "../facilities.ts";
import {
  attackWithout,
  IS_ROOT,
  kernelInItsOwnProcess,
  kernelWithout,
  NO_WALLS,
  resultOf,
  testRequests,
} from "./attacked.ts";
import { runPython } from "./python_agent.ts";

testRequests(["ask-free-child", "ask-strong-child", "ask-more-rights"]);

const SOCKETS = ["operator-socket", "operator-socket-orphan"] as const;

for (const id of SOCKETS) {
  Deno.test({
    name: `${id}: the mount namespace hides it, its mode closes it, and who reaches it stays an agent`,
    ignore: NO_WALLS,
    sanitizeResources: false,
    async fn() {
      strictEqual(resultOf(await attackWithout([], SOCKETS), id).word, "ENOENT");
      if (IS_ROOT) {
        strictEqual(resultOf(await attackWithout(["mount", "landlock"], SOCKETS), id).word, "EACCES");
      }
      const open = resultOf(await attackWithout(["mount", "landlock", "user"], SOCKETS), id);
      deepStrictEqual([open.outcome, open.word], ["stopped", "AGENT"]);
    },
  });
}

Deno.test({
  name: "without SO_PEERCRED and without walls an agent on the operator's socket is an operator",
  ignore: lacks("linux", "python3"),
  async fn() {
    // All permissions but the one to call libc, which tells who is there.
    const flags = ["read", "write", "env", "run", "sys", "net"].map((name) => `--allow-${name}`);
    await using kernel = await kernelInItsOwnProcess(flags, ["--no-sandbox"]);
    await using clove = await connect({ path: kernel.socket });
    const outcome = await attack(clove, { kernelSocket: kernel.socket, probes: SOCKETS });
    for (const id of SOCKETS) strictEqual(resultOf(outcome, id).outcome, "through");
  },
});

Deno.test({
  name: "a forged number in the header means nothing to the kernel, and would be noticed if it did",
  ignore: NO_WALLS,
  async fn() {
    strictEqual(resultOf(await attackWithout([], ["forge-identity"]), "forge-identity").word, "AGENT");
    strictEqual((await forgeAgainstCredulous()).outcome, "through");
  },
});

/** The same probe against a server that believes what it is told. */
async function forgeAgainstCredulous(): Promise<ProbeResult> {
  const directory = await Deno.makeTempDir({ prefix: "clove-security-" });
  const path = `${directory}/clove.sock`;
  using listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    using conn = await listener.accept();
    const parser = new FrameParser();
    for await (const bytes of conn.readable) {
      parser.push(bytes);
      for (let frame = parser.next(); frame; frame = parser.next()) {
        const answer = new TextEncoder().encode(JSON.stringify({ kind: "agent", agent_id: frame.id }));
        const reply = encodeFrame(1, { id: frame.id, opcode: frame.opcode, flags: 0, payload: answer });
        for (let at = 0; at < reply.length;) at += await conn.write(reply.subarray(at));
      }
    }
  })();
  const facts = { probes: ["forge-identity"], sibling: { id: 8 } };
  const { stdout } = await new Deno.Command("/usr/bin/python3", {
    args: ["-c", PROBE_PROGRAM],
    env: { PENTEST_FACTS: JSON.stringify(facts), CLOVE_SOCKET: path, CLOVE_AGENT_ID: "7" },
  }).output();
  await serving.catch((error) => ok(error instanceof Deno.errors.BadResource, String(error)));
  await Deno.remove(directory, { recursive: true });
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test({
  name: "mail tells its real sender, whatever the message and the request say",
  ignore: lacks("linux", "python3"),
  async fn() {
    await using attacked = await kernelWithout(null);
    await using clove = await connect({ path: attacked.socket });
    const me = await clove.sys.hello();
    await clove.ipc.register({ name: "boss" });
    const code = `ask(0x20, {"to": ${me.agent_id}, "from": ${me.agent_id}, "from_name": "boss", "sender": 1,
      "message": {"from": ${me.agent_id}, "from_name": "boss"}})`;
    await runPython(clove, code, { name: "liar" });
    const { messages: [message] } = await clove.ipc.recv({ wait: true, timeout_ms: 10_000 });
    strictEqual(message?.from_name, "liar");
    notStrictEqual(message.from, me.agent_id);
    // It is what was said, and no more than that.
    deepStrictEqual(message.message, { from: me.agent_id, from_name: "boss" });
  },
});
