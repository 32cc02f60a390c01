import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { encodeFrame, type SyscallError, writeHeader } from "@clove/sdk/protocol";
import { Authority, Policy } from "../permissions/mod.ts";
import { Connection, type Responder } from "./connection.ts";
import { Log } from "./log.ts";
import { Principals } from "./principals.ts";

/** A connection on a wire that notes what is done to it. */
function connection(
  run: Responder["run"],
): { connection: Connection; acts: string[]; principals: Principals } {
  const acts: string[] = [];
  const principals = new Principals();
  const made = new Connection({
    principal: principals.create("operator", { authority: new Authority(Policy.level("unrestricted")) }),
    wire: {
      write: () => {},
      pending: 0,
      pause: () => void acts.push("pause"),
      resume: () => void acts.push("resume"),
      end: () => void acts.push("end"),
      destroy: () => void acts.push("destroy"),
    },
    dispatcher: { tap: null, run },
    log: new Log({ level: "error", format: "text", write: () => {} }),
  });
  return { connection: made, acts, principals };
}

Deno.test("what follows an oversized frame is read and dropped, so that the peer is seen to go", () => {
  const { connection: it, acts } = connection(() => ({ json: {}, outcome: "ok" }));
  const header = new Uint8Array(17);
  writeHeader(new DataView(header.buffer), 0, 1, 0, 0x30, 0, 2 ** 31);
  it.receive(header);
  it.receive(new Uint8Array(100_000));
  deepStrictEqual(acts, ["end"]);
});

Deno.test("a stream that waits for credit ends when the client has ended its side", async () => {
  let refused: unknown = null;
  const { connection: it, acts } = connection((request) => {
    if (request.id === 0) {
      request.connection.agree(2);
      return { json: {}, outcome: "ok" };
    }
    const stream = request.connection.openStream(request, new AbortController().signal)!;
    return (async () => {
      try {
        for (;;) await stream.write({ text: "x".repeat(60_000) });
      } catch (error) {
        refused = error;
        return { json: { success: false }, outcome: "cancelled" };
      }
    })();
  });
  const empty = new Uint8Array(0);
  it.receive(encodeFrame(1, { id: 0, opcode: 0xfe, flags: 0, payload: empty }));
  it.receive(encodeFrame(2, { id: 1, opcode: 0x35, flags: 0, payload: empty }));
  await new Promise((resolve) => setTimeout(resolve, 5));
  strictEqual(refused, null);
  it.ended();
  await new Promise((resolve) => setTimeout(resolve, 5));
  strictEqual((refused as unknown as SyscallError).code, "cancelled");
  strictEqual(acts.at(-1), "end");
});
