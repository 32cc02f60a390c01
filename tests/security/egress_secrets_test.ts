import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { NO_SANDBOX, Rig, type Step, Target, written } from "./egress_fixture.ts";

const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, fn, ignore: NO_SANDBOX });

/** With a quote and a backslash, so that JSON writes it otherwise than it is. */
const VALUE = 'sk-"live"\\4f9a1c77e2b84d0d';
const ECHO = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const places = (port: number) => [
  `net:http://127.0.0.1:${port}`,
  `secret:API_TOKEN host=127.0.0.1:${port} method=GET header=authorization,x-key`,
];

/** The shapes in which a value could lie about. */
function shapesOf(value: string): string[] {
  const hex = [...new TextEncoder().encode(value)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), btoa(value), hex];
}

function found(where: string, text: string, value = VALUE): string[] {
  return shapesOf(value).filter((shape) => text.includes(shape)).map((shape) => `${where}: ${shape}`);
}

async function filesOf(dir: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name, isFile } of Deno.readDir(dir)) {
    if (isFile) files.set(name, new TextDecoder("latin1").decode(await Deno.readFile(join(dir, name))));
  }
  return files;
}

test("a secret is put in for its host, method and header, by syscall and by the proxy, and nowhere else", async () => {
  await using target = await Target.start(ECHO);
  await using other = await Target.start(ECHO);
  await using rig = await Rig.start();
  await rig.clove.secret.set({ name: "API_TOKEN", value: VALUE });
  const [url, elsewhere] = [target, other].map(({ port }) => `http://127.0.0.1:${port}/`);
  const bearer = "Bearer ${API_TOKEN}";
  const steps: Step[] = [
    ["http", { url, headers: { authorization: bearer } }],
    ["forward", url, `X-Key: ${"${API_TOKEN}"}\r\n`],
    ["http", { url: elsewhere, headers: { authorization: bearer } }],
    ["http", { url, method: "POST", headers: { authorization: bearer } }],
    ["http", { url, headers: { "x-other": bearer } }],
    ["forward", elsewhere, `Authorization: ${bearer}\r\n`],
    ["http", { url: `${url}?q=${"${API_TOKEN}"}`, method: "POST", body: "${API_TOKEN}" }],
    ["variable", "API_TOKEN"],
  ];
  const rules = [...places(target.port), `net:http://127.0.0.1:${other.port}`];
  const answers = await rig.probe(rules, steps);
  const [http, forward, ...refused] = answers as [Record<string, unknown>, string, ...unknown[]];
  deepStrictEqual([http.success, /ok$/.test(forward)], [true, true]);
  deepStrictEqual(target.heard.slice(0, 2).map((text) => text.includes(VALUE)), [true, true]);
  match(target.heard[0]!, /\r\nauthorization: Bearer sk-/);
  match(target.heard[1]!, /\r\nX-Key: sk-/);
  for (const answer of refused.slice(0, 3) as Record<string, unknown>[]) {
    strictEqual(answer.code, "denied");
    match(String(answer.error), /^Permission denied: Cannot use the secret "API_TOKEN": /);
    match(
      (answer.receipt as { missing: string }).missing,
      /^secret:API_TOKEN host=http:\/\/127\.0\.0\.1:\d+ method=/,
    );
  }
  match(String(refused[3]), /^HTTP\/1\.1 403 .*"need":"secret:API_TOKEN host=/s);
  // In a body and a query it stays what the agent wrote.
  match(target.heard.at(-1)!, /^POST \/\?q=clove-sealed-[0-9a-f]{40} .*\r\n\r\nclove-sealed-[0-9a-f]{40}$/s);
  match(String(refused[5]), /^clove-sealed-[0-9a-f]{40}$/);
  const all = [...target.heard.slice(2), ...other.heard].join("\n");
  deepStrictEqual(found("what else was sent", all), []);
});

test("another agent's placeholder is no placeholder, and one without a rule has none", async () => {
  await using target = await Target.start(ECHO);
  await using rig = await Rig.start();
  await rig.clove.secret.set({ name: "API_TOKEN", value: VALUE });
  const url = `http://127.0.0.1:${target.port}/`;
  const [mine] = await rig.probe(places(target.port), [["variable", "API_TOKEN"]], { name: "first" });
  const steps: Step[] = [
    ["http", { url, headers: { authorization: `Bearer ${mine}` } }],
    ["http", { url, headers: { authorization: "Bearer ${API_TOKEN}" } }],
  ];
  await rig.probe(places(target.port), steps, { name: "second" });
  match(target.heard[0]!, new RegExp(`authorization: Bearer ${mine}\r\n`));
  ok(target.heard[1]!.includes(VALUE));
  const without = [`net:http://127.0.0.1:${target.port}`];
  const [variable, listed, set] = await rig.probe(without, [
    ["variable", "API_TOKEN"],
    ["call", 0x4b, {}],
    ["call", 0x4a, { name: "API_TOKEN", value: "another-value" }],
  ]) as [unknown, { secrets: unknown[] }, { code: string }];
  deepStrictEqual([variable, listed.secrets, set.code], [null, [], "denied"]);
  // The right to administer everything does not make an agent an operator.
  const [admin] = await rig.probe(["admin:*"], [["call", 0x4a, {
    name: "API_TOKEN",
    value: "another-value",
  }]]);
  match(String((admin as { error: string }).error), /only an operator can set secrets/);
});

test("a secret lies nowhere: no file, log, audit line, recording, variable, answer or error text has it, in any shape", async () => {
  await using target = await Target.start(ECHO);
  const data = await Deno.makeTempDir({ prefix: "clove-secrets-" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(data, { recursive: true }) };
  const control = "control-value-that-is-not-secret";
  let texts: Map<string, string>;
  {
    await using rig = await Rig.start({ data });
    await rig.clove.audit.config({ log_network: true, log_syscalls: true, log_state: true, log_ipc: true });
    await rig.clove.secret.set({ name: "API_TOKEN" }, { tail: new TextEncoder().encode(VALUE) });
    await rig.clove.secret.set({ name: "API_TOKEN", value: "an-older-value-0123456789" });
    await rig.clove.secret.set({ name: "API_TOKEN", value: VALUE });
    await rig.clove.state.store({ key: "control", value: control });
    const errors: string[] = [];
    for (const value of [`${VALUE}\n`, ` ${VALUE}`, `${VALUE}\u20ac`, VALUE.repeat(1_000)]) {
      await rig.clove.secret.set({ name: "OTHER", value }).catch((error) => errors.push(String(error)));
    }
    await rig.clove.secret.set({ name: VALUE.replaceAll(/\W/g, "-"), value: VALUE }).catch((error) =>
      errors.push(String(error.stack))
    );
    strictEqual(errors.length, 5);
    const url = `http://127.0.0.1:${target.port}/`;
    const headers = { authorization: "Bearer ${API_TOKEN}" };
    const file = join(data, "run.jsonl");
    await rig.clove.record.start({ include_http: true, include_exec: true });
    const agent = await rig.spawn([...places(target.port), "ipc:*"], [
      ["http", { url, headers }],
      ["http", { url: "http://127.0.0.1:9/", headers }],
      ["forward", url, "Authorization: Bearer ${API_TOKEN}\r\n"],
      ["environ"],
      ["call", 0x4b, {}],
      ["fail"],
    ], { record: file });
    await agent.finished;
    await rig.clove.record.stop({});
    const recorded = (await rig.clove.record.status({ export: true })).recording_data ?? "";
    match(recorded, /HTTP/);
    match(await Deno.readTextFile(file), /net\.http/);
    strictEqual(target.heard.filter((text) => text.includes(VALUE)).length, 2, "the value was used");
    const output = written(agent);
    match(output.stderr, /ZeroDivisionError/);
    texts = new Map([
      ["output", output.stdout + output.stderr],
      ["log", rig.log.join("\n")],
      ["errors", errors.join("\n")],
      ["answers", JSON.stringify(await rig.clove.secret.list({}))],
      ["audit", JSON.stringify(await rig.audit())],
      // The file beside it lies in the data directory, which is searched whole.
      ["recording", recorded],
    ]);
    match(texts.get("audit")!, /SECRET_USED/);
  }
  for (const [name, text] of await filesOf(data)) texts.set(name, text);
  ok([...texts.keys()].includes("secrets.key"), "the key file is there");
  strictEqual((await Deno.stat(join(data, "secrets.key"))).mode! & 0o777, 0o600);
  const database = [...texts].filter(([name]) => name.startsWith("clove.db") || name.endsWith(".db")).map((
    [, text],
  ) => text).join("");
  ok(database.includes(control), "what is not secret is found by the same search");
  deepStrictEqual([...texts].flatMap(([name, text]) => found(name, text)), []);
  deepStrictEqual([...texts].flatMap(([name, text]) => found(name, text, "an-older-value-0123456789")), []);
});

test("what keeps texts can have them cleaned of every shape of a secret", async () => {
  await using rig = await Rig.start();
  await rig.clove.secret.set({ name: "API_TOKEN", value: VALUE });
  const { secrets } = rig.kernel.services;
  const text = [...shapesOf(VALUE).slice(0, 4), btoa(`user:${VALUE}:x`), JSON.stringify({ a: VALUE })].join(
    " ",
  );
  const clean = secrets.redact(text);
  deepStrictEqual(found("redacted", clean), []);
  strictEqual(clean.includes(btoa(`user:${VALUE}:x`).slice(8, -8)), false);
  strictEqual(secrets.redact("nothing of it"), "nothing of it");
});

test("secrets outlive the kernel with their key, and say so without it", async () => {
  await using target = await Target.start(ECHO);
  const data = await Deno.makeTempDir({ prefix: "clove-secrets-" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(data, { recursive: true }) };
  const url = `http://127.0.0.1:${target.port}/`;
  const steps: Step[] = [["http", { url, headers: { authorization: "Bearer ${API_TOKEN}" } }]];
  {
    await using rig = await Rig.start({ data });
    await rig.clove.secret.set({ name: "API_TOKEN", value: VALUE });
  }
  {
    await using rig = await Rig.start({ data });
    await rig.probe(places(target.port), steps);
    ok(target.heard[0]!.includes(VALUE));
    strictEqual((await rig.clove.secret.remove({ name: "API_TOKEN" })).name, "API_TOKEN");
    strictEqual(
      await rig.clove.secret.remove({ name: "API_TOKEN" }).catch((error) => error.code),
      "not_found",
    );
    await rig.clove.secret.set({ name: "API_TOKEN", value: VALUE });
  }
  await Deno.chmod(join(data, "secrets.key"), 0o644);
  {
    await using rig = await Rig.start({ data });
    await rig.clove.secret.set({ name: "B_TOKEN", value: "b-value-12345" }).then(
      () => ok(false),
      (error) => match(error.message, /others than its owner have rights to it/),
    );
  }
  await Deno.remove(join(data, "secrets.key"));
  {
    await using rig = await Rig.start({ data });
    await rig.clove.secret.set({ name: "B_TOKEN", value: "b-value-12345" }).then(
      () => ok(false),
      (error) => match(error.message, /their key .* is gone/),
    );
    deepStrictEqual((await rig.clove.secret.list({})).secrets.map(({ name }) => name), ["API_TOKEN"]);
  }
});
