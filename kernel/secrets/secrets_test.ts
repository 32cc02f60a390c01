import { deepStrictEqual, match, notStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { Authority, Policy } from "../../permissions/mod.ts";
import { VirtualClock } from "../../worlds/clock.ts";
import { seededRandom } from "../../worlds/random.ts";
import type { SecretPlace } from "../egress/mod.ts";
import { Log } from "../log.ts";
import { type Principal, Principals } from "../principals.ts";
import { openStorage } from "../storage/storage.ts";
import { formsOf } from "./forms.ts";
import { SealKey } from "./seal.ts";
import { Secrets } from "./secrets.ts";
import { checkName } from "./values.ts";

const PLACE: SecretPlace = {
  scheme: "https",
  host: "api.example.com",
  port: 443,
  method: "GET",
  header: "authorization",
};

function rig() {
  const clock = new VirtualClock();
  const log = new Log({ level: "error", format: "text", write: () => {} });
  const storage = openStorage({ dir: null, clock, log });
  const secrets = new Secrets({ clock, log, storage, random: seededRandom(1) });
  const principals = new Principals();
  const agent = (name: string, ...rules: string[]): Principal =>
    principals.create("agent", { name, authority: new Authority(Policy.parse(rules)) });
  return { secrets, storage, agent };
}

Deno.test("what was sealed opens under its name and with its key only", () => {
  const key = new SealKey(new Uint8Array(32).fill(1));
  const sealed = key.seal("A", "value", new Uint8Array(12));
  strictEqual(key.open("A", sealed), "value");
  strictEqual(key.open("B", sealed), null);
  strictEqual(new SealKey(new Uint8Array(32).fill(2)).open("A", sealed), null);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at]! ^= 1;
    strictEqual(key.open("A", changed), null, `byte ${at}`);
  }
  strictEqual(key.open("A", sealed.subarray(0, 20)), null);
});

Deno.test("values that no header could carry are refused without being repeated, and names that mean something else", async () => {
  const { secrets, storage } = rig();
  for (
    const value of ["zq9", "line one\nline two", " padded value", "euro \u20ac euro", "x".repeat(20_000)]
  ) {
    await rejects(() => secrets.set("A_TOKEN", value), (error: Error) => !error.message.includes(value));
  }
  for (
    const name of ["", "1A", "a-b", "a.b", "PATH", "http_proxy", "CLOVE_FD", "LD_PRELOAD", "x".repeat(65)]
  ) {
    throws(() => checkName(name), /Cannot keep the secret/, name);
  }
  for (const name of ["A", "GITHUB_TOKEN", "_x9"]) checkName(name);
  await storage.close();
});

Deno.test("placeholders differ from agent to agent, stay the same for one, and mean nothing to another", async () => {
  const { secrets, storage, agent } = rig();
  await secrets.set("A_TOKEN", "the real value");
  const [first, second, stranger] = [agent("first", "secret:*"), agent("second", "secret:*"), agent("third")];
  const { A_TOKEN: mine } = secrets.variablesOf(first);
  match(mine!, /^clove-sealed-[0-9a-f]{40}$/);
  notStrictEqual(mine, secrets.variablesOf(second).A_TOKEN);
  deepStrictEqual(secrets.variablesOf(stranger), {});
  const fill = secrets.substituteFor(first);
  strictEqual(fill(`Bearer ${mine}`, PLACE), "Bearer the real value");
  strictEqual(secrets.substituteFor(second)(`Bearer ${mine}`, PLACE), `Bearer ${mine}`);
  await secrets.set("A_TOKEN", "another value");
  deepStrictEqual(secrets.variablesOf(first), { A_TOKEN: mine });
  strictEqual(fill(`${mine} ${mine}`, PLACE), "another value another value");
  await secrets.remove("A_TOKEN");
  strictEqual(fill(`Bearer ${mine}`, PLACE), `Bearer ${mine}`);
  await storage.close();
});

Deno.test("Basic credentials are looked into, in their own header only", async () => {
  const { secrets, storage, agent } = rig();
  await secrets.set("A_TOKEN", "the real value");
  const holder = agent("holder", "secret:A_TOKEN header=authorization");
  const token = secrets.variablesOf(holder).A_TOKEN!;
  const fill = secrets.substituteFor(holder);
  strictEqual(fill(`Basic ${btoa(`user:${token}`)}`, PLACE), `Basic ${btoa("user:the real value")}`);
  const other = `Basic ${btoa(`user:${token}`)}`;
  strictEqual(fill(other, { ...PLACE, header: "x-other" }), other);
  strictEqual(fill("Basic !!!!", PLACE), "Basic !!!!");
  throws(() => fill(token, { ...PLACE, header: "x-other" }), /Cannot use the secret "A_TOKEN"/);
  await storage.close();
});

Deno.test("the middle of base64 is found wherever the value stands in it", () => {
  const value = "sk-live-0123456789";
  for (const before of ["", "a", "ab", "abc"]) {
    const text = btoa(`${before}${value}tail`);
    ok(formsOf(value).some((form) => text.includes(form)), before);
  }
});
