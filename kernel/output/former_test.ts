import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Authority, Policy } from "../../permissions/mod.ts";
import { startKernel } from "../kernel.ts";
import type { Principal } from "../principals.ts";

const channel = {
  version: 1 as const,
  agree() {},
  openStream: () => null,
  openPush: () => null,
  onCancel() {},
};

Deno.test("what an agent of an earlier kernel wrote is shown to operators, not to agents", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-former-" });
  const options = { data: `${dir}/data`, sandbox: false, onLog: () => {} };
  try {
    for (const life of [1, 2]) {
      await using kernel = await startKernel(options);
      const { principals } = kernel.services;
      const call = async (opcode: number, params: unknown, caller: Principal) => {
        const payload = new TextEncoder().encode(JSON.stringify(params));
        const request = { opcode, payload, binary: false, caller, connection: channel, id: 0 };
        return (await kernel.dispatcher.run(request)).json as Record<string, unknown>;
      };
      const principal = (kind: "operator" | "agent", level: "unrestricted" | "sandboxed") =>
        principals.create(kind, { authority: new Authority(Policy.level(level)) });
      const operator = principal("operator", "unrestricted");
      if (life === 1) {
        await call(0x10, { name: "worker", command: ["echo", "mine alone"], sandboxed: false }, operator);
        await call(0x16, { name: "worker" }, operator);
        continue;
      }
      const refused = await call(0x17, { name: "worker" }, principal("agent", "sandboxed"));
      strictEqual(refused.code, "denied");
      const { chunks, ended, agent_id } = await call(0x17, { name: "worker" }, operator) as {
        chunks: { text: string; stream: string }[];
        ended: boolean;
        agent_id: number;
      };
      deepStrictEqual(chunks.map(({ text, stream }) => [stream, text]), [["stdout", "mine alone\n"]]);
      deepStrictEqual([ended, agent_id > 0], [true, true]);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
