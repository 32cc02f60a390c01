import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { Authority, formatNeed, Policy } from "../../../permissions/mod.ts";
import { VirtualClock } from "../../../worlds/clock.ts";
import { Log } from "../../log.ts";
import { Principal } from "../../principals.ts";
import { readParams } from "../../schema.ts";
import type { Services } from "../../services.ts";
import { StateStore } from "../../state/state.ts";
import { openStorage } from "../../storage/storage.ts";
import type { Context, StreamWriter, Syscall } from "../../syscall.ts";
import { stateCas } from "./cas.ts";
import { stateDelete } from "./delete.ts";
import { stateFetch } from "./fetch.ts";
import { stateKeys } from "./keys.ts";
import { stateStore } from "./store.ts";
import { stateWatch } from "./watch.ts";

const clock = new VirtualClock();

function setUp(): Services {
  const log = new Log({ level: "error", format: "text" });
  const storage = openStorage({ dir: null, clock, log });
  return {
    clock,
    storage,
    state: new StateStore({ storage, clock, log, events: { emit: () => 0 } }),
  } as unknown as Services;
}

function agent(name: string, ...rules: string[]): Principal {
  const policy = rules.length > 0 ? Policy.parse(rules) : Policy.level("sandboxed");
  return new Principal(name.length, "agent", { authority: new Authority(policy), name });
}

async function call<P extends z.ZodType, R extends z.ZodType>(
  row: Syscall<P, R>,
  services: Services,
  caller: Principal,
  json: unknown,
  more: { stream: StreamWriter | null; signal: AbortSignal } = {
    stream: null,
    signal: new AbortController().signal,
  },
): Promise<z.output<R>> {
  const params = readParams(row.params, json);
  for (const need of row.needs?.(params, caller) ?? []) {
    const verdict = caller.authority.weigh(need, clock.now());
    if (!verdict.allowed) throw new SyscallError("denied", formatNeed(need));
  }
  return row.result.parse(await row.handle({ caller, services, ...more } as Context, params));
}

const fails = (code: string, message = /./) => (error: unknown): boolean => {
  ok(error instanceof SyscallError, String(error));
  match(error.message, message);
  strictEqual(error.code, code);
  return true;
};

Deno.test("what is missing or wrong is refused in the original's words", async () => {
  const services = setUp();
  const one = agent("one");
  for (const row of [stateStore, stateFetch, stateDelete, stateCas] as Syscall[]) {
    await rejects(call(row, services, one, {}), fails("bad_request", /^key is required$/), row.name);
    await rejects(call(row, services, one, { key: 1 }), fails("bad_request", /^invalid request: /), row.name);
  }
  await rejects(call(stateStore, services, one, { key: "k", ttl: "1" }), fails("bad_request"));
  await rejects(call(stateStore, services, one, { key: "k", scope: "moon" }), fails("bad_request", /"moon"/));
  await rejects(call(stateCas, services, one, { key: "k" }), fails("bad_request", /expected_version/));
  await rejects(
    call(stateCas, services, one, { key: "k", expected: 1, expected_version: 1 }),
    fails("bad_request"),
  );
  await rejects(call(stateWatch, services, one, {}), fails("unsupported", /protocol 2/));
});

Deno.test("answers carry every key that some client reads", async () => {
  const services = setUp();
  const one = agent("one");
  const { version } = await call(stateStore, services, one, {
    key: "k",
    value: { a: 1 },
    ttl: 2.5,
    extra: true,
  });
  deepStrictEqual(await call(stateFetch, services, one, { key: "k" }), {
    success: true,
    exists: true,
    found: true,
    value: { a: 1 },
    version,
    scope: "global",
    ttl: 2.5,
  });
  deepStrictEqual(await call(stateFetch, services, one, { key: "x" }), {
    success: true,
    exists: false,
    found: false,
    value: null,
  });
  await call(stateStore, services, one, { key: "n", value: null, ttl: null });
  const nothing = await call(stateFetch, services, one, { key: "n" });
  deepStrictEqual([nothing.exists, nothing.value, nothing.ttl], [true, null, undefined]);
  deepStrictEqual(await call(stateKeys, services, one, {}), {
    success: true,
    keys: ["k", "n"],
    count: 2,
    truncated: false,
  });
  const page = await call(stateKeys, services, one, { limit: 1 });
  deepStrictEqual([page.keys, page.after, page.truncated], [["k"], "k", true]);
  deepStrictEqual(await call(stateDelete, services, one, { key: "k" }), {
    success: true,
    deleted: true,
    key: "k",
    scope: "global",
  });
  strictEqual((await call(stateDelete, services, one, { key: "k" })).deleted, false);
});

Deno.test("compare-and-set by version and by value", async () => {
  const services = setUp();
  const one = agent("one");
  const made = await call(stateCas, services, one, { key: "k", value: 1, expected_version: 0 });
  ok(made.swapped);
  const lost = await call(stateCas, services, one, { key: "k", value: 2, expected_version: 0 });
  deepStrictEqual(lost, { success: true, swapped: false, exists: true, value: 1, version: made.version });
  ok((await call(stateCas, services, one, { key: "k", value: 3, expected: 1 })).swapped);
});

Deno.test("a rule for some keys allows those, and listing and watching only as far as it reaches", async () => {
  const services = setUp();
  await call(stateStore, services, agent("other"), { key: "jobs/secret/1", value: "s" });
  await call(stateStore, services, agent("other"), { key: "jobs/1", value: 1 });
  const some = agent("some", "state:jobs/*", "deny state:jobs/secret/*");
  await rejects(call(stateFetch, services, some, { key: "else" }), fails("denied"));
  await rejects(call(stateFetch, services, some, { key: "jobs/secret/1" }), fails("denied"));
  for (const row of [stateKeys, stateWatch] as Syscall[]) {
    await rejects(call(row, services, some, { prefix: "" }), fails("denied"), row.name);
    await rejects(call(row, services, some, { prefix: "job" }), fails("denied"), row.name);
  }
  deepStrictEqual((await call(stateKeys, services, some, { prefix: "jobs/" })).keys, ["jobs/1"]);
  await rejects(
    call(stateKeys, services, agent("exact", "state:jobs/1"), { prefix: "jobs/1" }),
    fails("denied"),
  );
});

Deno.test("watching begins with a word, streams what may be seen, and ends with the caller", async () => {
  const services = setUp();
  const writer = agent("writer");
  const watching = agent("watching", "state:*", "deny state:a/secret");
  const parts: unknown[] = [];
  const arrived = Promise.withResolvers<void>();
  const stream: StreamWriter = {
    write(part) {
      stateWatch.part!.parse(part);
      if (parts.push(part) === 4) arrived.resolve();
      return Promise.resolve();
    },
  };
  const controller = new AbortController();
  const watch = call(stateWatch, services, watching, { prefix: "a/" }, { stream, signal: controller.signal });
  await Promise.resolve();
  deepStrictEqual(parts, [{ action: "watching" }]);
  for (const key of ["b", "a/secret", "a/1"]) await call(stateStore, services, writer, { key, value: key });
  await call(stateStore, services, writer, { key: "a/2", value: 2 });
  await call(stateDelete, services, writer, { key: "a/1" });
  await arrived.promise;
  deepStrictEqual(
    parts.slice(1).map((part) => {
      const { action, key, value } = part as { action: string; key: string; value?: unknown };
      return [action, key, value];
    }),
    [["store", "a/1", "a/1"], ["store", "a/2", 2], ["delete", "a/1", undefined]],
  );
  controller.abort(new SyscallError("cancelled", "enough"));
  await rejects(watch, fails("cancelled"));
});
