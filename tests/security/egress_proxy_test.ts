import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Policy } from "../../permissions/mod.ts";
import { createSandboxLauncher } from "../../kernel/sandbox/mod.ts";
import { eventually, NO_SANDBOX, Rig, type Step, Target, written } from "./egress_fixture.ts";

const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, fn, ignore: NO_SANDBOX });

test("taking a rule away closes the tunnels it opened, before anybody is told that it is gone", async () => {
  await using target = await Target.start(null);
  await using rig = await Rig.start();
  await rig.clove.audit.config({ log_network: true });
  const rule = `net:tcp://127.0.0.1:${target.port}`;
  const agent = await rig.spawn([rule, "ipc:*"], [["hold", `127.0.0.1:${target.port}`]], { name: "holder" });
  await eventually(() => written(agent).stdout.includes("200 Connection Established"), "the tunnel is open");
  strictEqual(rig.kernel.services.egress.of(agent.principal).recheck(), 0, "nothing closes what is allowed");
  await rig.clove.perms.set({ agent_id: agent.id, policy: ["ipc:*"] });
  const lines = await rig.audit({ agent_id: agent.id, category: "NETWORK" });
  deepStrictEqual(lines.map(({ event_type, details }) => [event_type, details.end]), [
    ["EGRESS_OPENED", "ok"],
    ["EGRESS", "revoked"],
  ]);
  match(String(lines[1]!.details.need), new RegExp(`^net:tcp://127\\.0\\.0\\.1:${target.port}`));
  await agent.finished;
  match(written(agent).stdout, /"ended"/);
});

test("a grant opens the way of a running agent, its end closes it, and an ancestor's loss is the child's", async () => {
  await using target = await Target.start(null);
  await using rig = await Rig.start();
  const rule = `net:tcp://127.0.0.1:${target.port}`;
  const steps: Step[] = [["tunnel", `127.0.0.1:${target.port}`], ["hold", `127.0.0.1:${target.port}`]];
  const agent = await rig.spawn(["ipc:*"], steps);
  await eventually(() => written(agent).stdout.includes("403 Forbidden"), "it is refused first");
  await agent.finished;
  const second = await rig.spawn([rule], [["hold", `127.0.0.1:${target.port}`]]);
  await eventually(() => written(second).stdout.includes("200 Connection"), "the rule opens it");
  // The operator puts a policy without the rule in its place, and gives the right back as a grant.
  const grant = second.principal.authority.grant(Policy.parse(rule), { from: null });
  second.principal.authority.replace(Policy.parse("ipc:*"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  strictEqual(written(second).stdout.includes("ended"), false, "the grant keeps it open");
  grant.revoke();
  await second.finished;
  match(written(second).stdout, /"ended"/);
});

test("every decision is written down with its bytes, and repeated ones are counted", async () => {
  await using target = await Target.start();
  await using rig = await Rig.start();
  await rig.clove.audit.config({ log_network: true });
  const url = `http://127.0.0.1:${target.port}/path?token=hidden`;
  const steps: Step[] = [["forward", url], ["forward", url], ["forward", url], [
    "forward",
    "http://127.0.0.1:9/",
  ]];
  const agent = await rig.spawn([`net:http://127.0.0.1:${target.port}`], steps, { name: "counted" });
  await agent.finished;
  const lines = await rig.audit({ agent_id: agent.id });
  const allowed = lines.filter(({ event_type }) => event_type === "EGRESS").map(({ details }) => details);
  deepStrictEqual(allowed.map(({ bytes_down, repeated }) => [bytes_down, repeated]), [[6, undefined], [
    12,
    2,
  ]]);
  const { target: where, method, ip, status, kind, end } = allowed[0]!;
  deepStrictEqual([where, method, ip, status, kind, end], [
    `http://127.0.0.1:${target.port}/path`,
    "GET",
    "127.0.0.1",
    200,
    "forward",
    "ok",
  ]);
  const refused = lines.filter(({ event_type }) => event_type === "SYSCALL_BLOCKED");
  strictEqual(refused.length, 1);
  strictEqual(refused[0]!.details.need, "net:http://127.0.0.1:9 GET /");
  strictEqual(agent.principal.counts.bytesDown, 18);
  strictEqual(JSON.stringify(lines).includes("hidden"), false, "queries are no part of any line");
});

test("commands that a confined agent runs find the proxy too", async () => {
  await using target = await Target.start();
  await using rig = await Rig.start();
  const url = `http://127.0.0.1:${target.port}/`;
  const run = `import urllib.request; print(urllib.request.urlopen("${url}").read())`;
  const [answer] = await rig.probe(
    [`net:${url.slice(0, -1)}`, "exec:*"],
    [["call", 0x02, { argv: ["/usr/bin/python3", "-c", run], async: false }]],
  ) as [Record<string, unknown>];
  match(String(answer.stdout), /b'inside'/, JSON.stringify(answer));
});

test("without a network namespace the proxy asks who is there, and Landlock leaves no other way by TCP", async () => {
  await using target = await Target.start();
  const runDir = await Deno.makeTempDir({ prefix: "clove-egress-run-" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(runDir, { recursive: true }) };
  await using rig = await Rig.start({
    machine: { launcher: createSandboxLauncher({ runDir, without: ["net"] }) },
  });
  const url = `http://127.0.0.1:${target.port}/`;
  const [direct, forward, refused, variable] = await rig.probe([`net:${url.slice(0, -1)}`], [
    ["direct", "127.0.0.1", target.port],
    ["forward", url],
    ["send", `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`],
    ["variable", "HTTP_PROXY"],
  ]) as string[];
  match(direct!, /failed: .*Permission denied/);
  match(forward!, /inside$/);
  match(refused!, /^HTTP\/1\.1 407 .*proxy-authenticate: Basic/s);
  match(variable!, /^http:\/\/agent:[0-9a-f]{48}@127\.0\.0\.1:\d+$/);
  const [spawned] = await rig.audit({ event_type: "ISOLATION_DEGRADED" });
  ok((spawned!.details.missing as string[]).includes("net"), "the missing wall is told");
});
