import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { Authority, formatNeed, Policy } from "../../../permissions/mod.ts";
import { HostFiles, type View } from "../../../worlds/files.ts";
import { LIMITS } from "../../limits.ts";
import { Principal } from "../../principals.ts";
import { readParams } from "../../schema.ts";
import type { Services } from "../../services.ts";
import { type Context, type Syscall, WithTail } from "../../syscall.ts";
import { fsList } from "./list.ts";
import { fsMkdir } from "./mkdir.ts";
import { fsRead } from "./read.ts";
import { fsRemove } from "./remove.ts";
import { fsRename } from "./rename.ts";
import { fsStat } from "./stat.ts";
import { fsWrite } from "./write.ts";

/** An agent with a work directory, and what it asked for. */
class Rig implements Disposable {
  readonly work = Deno.makeTempDirSync({ prefix: "clove-rows-" });
  readonly demanded: string[] = [];
  readonly caller: Principal;
  readonly #services: Services;

  constructor(...rules: string[]) {
    const policy = rules.length > 0 ? Policy.parse(rules) : Policy.level("sandboxed");
    this.caller = new Principal(7, "agent", { authority: new Authority(policy), name: "worker" });
    const view: View = { cwd: "/work", mounts: [{ inside: "/work", outside: this.work, mode: "rw" }] };
    this.#services = { files: new HostFiles(), agents: { viewOf: () => view } } as unknown as Services;
  }

  async call<P extends z.ZodType, R extends z.ZodType>(
    row: Syscall<P, R>,
    json: unknown,
    options: { tail?: Uint8Array; binary?: boolean } = {},
  ): Promise<z.output<R> & { tail?: Uint8Array }> {
    const demand: Context["demand"] = (need) => {
      this.demanded.push(formatNeed(need));
      const verdict = this.caller.authority.weigh(need, Date.now());
      if (!verdict.allowed) throw new SyscallError("denied", verdict.reason, { receipt: verdict.receipt });
    };
    const { tail = null, binary = false } = options;
    const context = { caller: this.caller, services: this.#services, demand, tail, binary } as Context;
    const value = await row.handle(context, readParams(row.params, json));
    const result = value instanceof WithTail ? value.result : value;
    const checked = row.result.parse(result) as z.output<R>;
    return value instanceof WithTail ? { ...checked as object, tail: value.tail } as never : checked as never;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.work, { recursive: true });
  }
}

const fails = (code: string, message: RegExp) => (error: unknown): boolean => {
  ok(error instanceof SyscallError, String(error));
  match(error.message, message);
  strictEqual(error.code, code);
  return true;
};

Deno.test("a path is weighed before anything is said about it, with a receipt", async () => {
  using rig = new Rig();
  for (const path of ["/etc/shadow", "/etc/no-such-file"]) {
    await rejects(rig.call(fsRead, { path }), (error) => {
      ok(error instanceof SyscallError && error.receipt?.need === `fs.read:${path}`);
      return true;
    });
  }
  await rejects(rig.call(fsWrite, { path: "../etc/x", content: "x" }), fails("denied", /./));
  deepStrictEqual(rig.demanded, ["fs.read:/etc/shadow", "fs.read:/etc/no-such-file", "fs.write:/etc/x"]);
});

Deno.test("the original's sentences are in the errors its clients compare with", async () => {
  using rig = new Rig();
  await rejects(rig.call(fsRead, {}), fails("bad_request", /^path required$/));
  await rejects(rig.call(fsRead, { path: null }), fails("bad_request", /^path required$/));
  await rejects(rig.call(fsRead, { path: "" }), fails("bad_request", /^path required$/));
  await rejects(rig.call(fsWrite, { content: "x" }), fails("bad_request", /^path required$/));
  await rejects(
    rig.call(fsRead, { path: "nothing" }),
    fails("not_found", /^failed to open file: Cannot read "\/work\/nothing": there is no such file/),
  );
  await rejects(
    rig.call(fsWrite, { path: "no/dir", content: "x" }),
    fails("not_found", /^failed to open file for writing: Cannot write "\/work\/no\/dir"/),
  );
  await rejects(rig.call(fsRead, { path: 7 }), fails("bad_request", /^invalid request: /));
  await rejects(rig.call(fsWrite, { path: "f", mode: "a+" }), fails("bad_request", /^invalid request: /));
  await Deno.writeFile(`${rig.work}/bad`, new Uint8Array([0x61, 0xff]));
  await rejects(
    rig.call(fsRead, { path: "bad" }),
    fails("bad_request", /^invalid request: .*invalid UTF-8 byte/),
  );
});

Deno.test("text comes back as it went, in characters and in bytes", async () => {
  using rig = new Rig();
  const content = "\ufeffnaïve \u{1f600}\r\n\0";
  const written = await rig.call(fsWrite, { path: "t.txt", content });
  const size = new TextEncoder().encode(content).length;
  deepStrictEqual(written, { success: true, bytes_written: size, path: "/work/t.txt", created: true });
  const read = await rig.call(fsRead, { path: "t.txt", unknown_to_us: 1 });
  deepStrictEqual(read, { success: true, content, size, path: "/work/t.txt", encoding: "utf8" });
  strictEqual((await rig.call(fsWrite, { path: "t.txt", content: "!", mode: "append" })).bytes_written, 1);
  strictEqual((await rig.call(fsRead, { path: "t.txt" })).size, size + 1);
  await rig.call(fsWrite, { path: "empty" });
  strictEqual((await rig.call(fsRead, { path: "empty" })).content, "");
  deepStrictEqual([rig.caller.counts.bytesWritten, rig.caller.counts.bytesRead], [size + 1, size + size + 1]);
  await rejects(rig.call(fsWrite, { path: "t", content: "\ud800" }), fails("bad_request", /surrogate/));
});

Deno.test("bytes go through base64, and as they are where the protocol can", async () => {
  using rig = new Rig();
  const bytes = new Uint8Array(256).map((_, i) => i);
  await rig.call(fsWrite, { path: "b", content_base64: bytes.toBase64() });
  strictEqual((await rig.call(fsRead, { path: "b", encoding: "base64" })).content, bytes.toBase64());
  await rejects(rig.call(fsRead, { path: "b", encoding: "binary" }), fails("unsupported", /base64/));
  await rig.call(fsWrite, { path: "c" }, { tail: bytes, binary: true });
  const { tail, content, size } = await rig.call(fsRead, { path: "c", encoding: "binary" }, { binary: true });
  deepStrictEqual([tail, content, size], [bytes, "", 256]);
  await rejects(rig.call(fsWrite, { path: "b", content_base64: "%" }), fails("bad_request", /no base64/));
  await rejects(
    rig.call(fsWrite, { path: "b", content: "x" }, { tail: bytes }),
    fails("bad_request", /one of/),
  );
  const large = new Uint8Array(LIMITS.fileBytes + 1);
  await rejects(
    rig.call(fsWrite, { path: "b" }, { tail: large, binary: true }),
    fails("limit", /the limit is/),
  );
  await rejects(rig.call(fsRead, { path: "b", max_bytes: 255 }), fails("limit", /the limit is 255/));
});

Deno.test("directories: made, looked at, listed, renamed, removed", async () => {
  using rig = new Rig();
  await rejects(rig.call(fsMkdir, { path: "a/b" }), fails("not_found", /Cannot /));
  deepStrictEqual(await rig.call(fsMkdir, { path: "a/b", recursive: true }), {
    success: true,
    path: "/work/a/b",
    created: true,
  });
  await rig.call(fsWrite, { path: "a/f", content: "12345" });
  const { modified, ...stat } = await rig.call(fsStat, { path: "a/f" });
  ok(Math.abs(modified - Date.now() / 1000) < 60, "seconds, not milliseconds");
  deepStrictEqual([stat.type, stat.size, stat.path, stat.links], ["file", 5, "/work/a/f", 1]);
  const listed = await rig.call(fsList, { path: "a" });
  deepStrictEqual(listed.entries, [{ name: "b", type: "directory" }, { name: "f", type: "file" }]);
  strictEqual((await rig.call(fsList, {})).path, "/work");
  await rejects(rig.call(fsList, { limit: LIMITS.listEntries + 1 }), fails("bad_request", /./));
  deepStrictEqual(await rig.call(fsRename, { from: "a/f", to: "g" }), {
    success: true,
    from: "/work/a/f",
    to: "/work/g",
  });
  await rejects(rig.call(fsRename, { from: "g" }), fails("bad_request", /^path required$/));
  await rejects(rig.call(fsStat, { path: "a/f" }), fails("not_found", /no such file/));
  strictEqual((await rig.call(fsRemove, { path: "a", recursive: true })).removed, 2);
  strictEqual((await rig.call(fsRemove, { path: "g" })).removed, 1);
  deepStrictEqual((await rig.call(fsList, {})).entries, []);
});

Deno.test("a denied corner stays denied through links, renames and removals around it", async () => {
  using rig = new Rig(
    "fs.read:/work/**",
    "fs.write:/work/**",
    "deny fs.read:/work/secret/**",
    "deny fs.write:/work/p/.git/**",
  );
  Deno.mkdirSync(`${rig.work}/secret`);
  Deno.writeTextFileSync(`${rig.work}/secret/key`, "k");
  Deno.symlinkSync("secret/key", `${rig.work}/innocent`);
  Deno.mkdirSync(`${rig.work}/p/.git`, { recursive: true });
  Deno.writeTextFileSync(`${rig.work}/p/.git/config`, "c");
  const denied = fails("denied", /./);
  await rejects(rig.call(fsRead, { path: "innocent" }), denied);
  await rejects(rig.call(fsRename, { from: "secret", to: "public" }), denied);
  await rejects(rig.call(fsRename, { from: "secret/key", to: "key" }), denied);
  await rejects(rig.call(fsRename, { from: "p", to: "q" }), denied);
  await rejects(rig.call(fsRemove, { path: "p", recursive: true }), denied);
  await rejects(rig.call(fsWrite, { path: "p/.git/hooks", content: "x" }), denied);
  strictEqual(Deno.readTextFileSync(`${rig.work}/p/.git/config`), "c");
  strictEqual(Deno.readTextFileSync(`${rig.work}/secret/key`), "k");
});
