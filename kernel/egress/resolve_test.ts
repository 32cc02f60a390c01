import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { EgressError } from "./errors.ts";
import { tableResolver, TestGate } from "./fixtures_test.ts";
import { Resolver } from "./resolve.ts";
import { tunnelTarget } from "./target.ts";

const fails = (code: string) => (error: unknown) => error instanceof EgressError && error.code === code;
const name = tunnelTarget("name.example", 80);

Deno.test("A name all of whose addresses are refused is refused, with the first of them", async () => {
  const gate = new TestGate(undefined, () => false);
  const result = await tableResolver({ "name.example": ["10.0.0.1", "::1"] }).resolve(name, gate);
  strictEqual("refused" in result && result.ip, "10.0.0.1");
  deepStrictEqual(gate.asked, ["10.0.0.1", "::1"]);
});

Deno.test("Only addresses that were asked about and allowed are handed on, and no more than the bound", async () => {
  const gate = new TestGate(undefined, (ip) => ip.startsWith("192.0.2."));
  const many = [
    "10.0.0.1",
    "192.0.2.1",
    "fe80::1%eth0",
    "no address",
    "192.0.2.2",
    ...Array(100).fill("192.0.2.3"),
  ];
  const result = await tableResolver({ "name.example": many }).resolve(name, gate);
  deepStrictEqual("addresses" in result && result.addresses.map(({ ip }) => ip), [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.3",
    "192.0.2.3",
  ]);
});

Deno.test("An address is its own answer, and is asked about like any other", async () => {
  const resolver = tableResolver({});
  const gate = new TestGate();
  await resolver.resolve(tunnelTarget("2130706433", 80), gate);
  deepStrictEqual([resolver.asked, gate.asked], [[], ["127.0.0.1"]]);
});

Deno.test("A name without an address, and one that fails, are unavailable", async () => {
  await rejects(tableResolver({ "name.example": [] }).resolve(name, new TestGate()), fails("unavailable"));
  await rejects(tableResolver({}).resolve(name, new TestGate()), fails("unavailable"));
});

Deno.test("A slow name times out and keeps its place until it answers, and no more than the bound are asked", async () => {
  const answers: ((ips: string[]) => void)[] = [];
  const resolver = new Resolver({
    lookup: () => new Promise((resolve) => answers.push(resolve)),
    timeoutMs: 20,
    inFlight: 2,
  });
  const gate = new TestGate();
  await rejects(resolver.resolve(name, gate), fails("timeout"));
  const stop = new AbortController();
  const stopped = rejects(resolver.resolve(name, gate, stop.signal), (error) => error === "enough");
  stop.abort("enough");
  await stopped;
  strictEqual(resolver.inFlight, 2);
  await rejects(resolver.resolve(name, gate), fails("limit"));
  strictEqual(answers.length, 2);
  for (const answer of answers) answer(["192.0.2.1"]);
  await new Promise((resolve) => setTimeout(resolve, 1));
  strictEqual(resolver.inFlight, 0);
});
