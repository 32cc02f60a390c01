import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { NO_SANDBOX, Rig, type Step, Target } from "./egress_fixture.ts";

const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, fn, ignore: NO_SANDBOX });

/** Hosts that mean a place inside, however they are written. */
const INSIDE = [
  "127.0.0.1",
  "localhost",
  "LOCALHOST.",
  "a.localhost",
  "2130706433",
  "0x7f.1",
  "0177.0.0.1",
  "127.1",
  "127.0.0.1.",
  "0.0.0.0",
  "[::1]",
  "[::]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[64:ff9b::7f00:1]",
  "[2002:7f00:1::]",
  "[fe80::1]",
  "169.254.169.254",
  "[fd00:ec2::254]",
  "metadata.example",
  "inside.example",
  "six.example",
  "mapped.example",
  "both.example",
];

/** What a policy for the whole outside allows, and no more. */
const OUTSIDE = ["net:*"];

test("no way to write an inside address leads inside, by syscall, forwarding, CONNECT or SOCKS5", async () => {
  await using inside = await Target.start();
  await using rig = await Rig.start();
  const { port } = inside;
  rig.names.set("metadata.example", [["169.254.169.254"]]);
  rig.names.set("inside.example", [["127.0.0.1"]]);
  rig.names.set("six.example", [["::1"]]);
  rig.names.set("mapped.example", [["::ffff:127.0.0.1"]]);
  rig.names.set("both.example", [["10.0.0.1", "127.0.0.1"]]);
  const steps = INSIDE.flatMap((host): Step[] => [
    ["http", { url: `http://${host}:${port}/` }],
    ["forward", `http://${host}:${port}/`],
    ["tunnel", `${host}:${port}`],
    ["socks", host.replace(/^\[|\]$/g, ""), port],
  ]);
  const found = await rig.probe(OUTSIDE, steps);
  for (const [i, host] of INSIDE.entries()) {
    const [http, forward, tunnel, socks] = found.slice(4 * i) as [
      Record<string, unknown>,
      string,
      string,
      string,
    ];
    strictEqual(http.success, false, host);
    match(String(http.error), /^(?:Permission denied: domain not in whitelist: |invalid request: )/, host);
    match(forward, /^HTTP\/1\.1 40[03] /, host);
    match(tunnel, /^HTTP\/1\.1 40[03] /, host);
    // Refused as a place, or as no host at all.
    ok(
      ["\x05\x00\x05\x02", "\x05\x00\x05\x01"].includes(socks.slice(0, 4)),
      `${host}: ${JSON.stringify(socks)}`,
    );
  }
  deepStrictEqual(inside.heard, [], "nothing was connected to");
  // The same probe arrives when the control is off: the rule names the address.
  const [open] = await rig.probe([`net:http://127.0.0.1:${port}`], [["http", {
    url: `http://127.0.0.1:${port}/`,
  }]]);
  strictEqual((open as { body: string }).body, "inside");
});

test("tricks with users, fragments, queries, schemes and redirects lead nowhere", async () => {
  await using inside = await Target.start();
  const { port } = inside;
  await using outside = await Target.start(
    `HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:${port}/\r\ncontent-length: 0\r\n\r\n`,
  );
  await using rig = await Rig.start();
  rig.names.set("allowed.example", [["127.0.0.1"]]);
  const rules = [
    "net:*.example",
    "net:https://allowed.example",
    `net:http://allowed.example:${outside.port} private`,
  ];
  const refused = [
    `http://allowed.example@127.0.0.1:${port}/`,
    `http://allowed.example:x@127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}#.example`,
    `http://127.0.0.1:${port}?x.example`,
    `http://127.0.0.1:${port}/?.example`,
    `http://127.0.0.1:${port}\\.example/`,
    `http://127.0.0.1:${port}%2f.example/`,
    "file:///etc/passwd",
    "gopher://allowed.example/",
    "ftp://allowed.example/",
    "data:text/plain,x",
    "//allowed.example/",
    "allowed.example",
  ];
  const found = await rig.probe(rules, [
    ...refused.flatMap((url): Step[] => [["http", { url }], ["forward", url]]),
    ["http", { url: `http://allowed.example:${outside.port}/`, redirects: 5 }],
    ["http", { url: `http://allowed.example:${outside.port}/` }],
  ]);
  for (const [i, url] of refused.entries()) {
    const [http, forward] = found.slice(2 * i) as [Record<string, unknown>, string];
    strictEqual(http.success, false, url);
    match(forward, /^HTTP\/1\.1 40[03] /, url);
  }
  const [followed, plain] = found.slice(-2) as Record<string, unknown>[];
  match(String(followed!.error), /^Permission denied: .*127\.0\.0\.1/);
  strictEqual(plain!.status_code, 302, "a redirect is not followed unless asked for");
  deepStrictEqual(inside.heard, []);
  strictEqual(outside.heard.length, 2);
});

test("a name that resolves to another place the second time is connected to where it was checked", async () => {
  await using allowed = await Target.start(
    "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nallowed",
    "127.0.0.2",
  );
  const { port } = allowed;
  await using inside = await Target.start(undefined, "127.0.0.1", port);
  await using rig = await Rig.start();
  const rules = [`net:http://rebind.example:${port}`, `net:http://127.0.0.2:${port}`];
  const url = `http://rebind.example:${port}/`;
  const steps: Step[] = [["http", { url }], ["http", { url }], ["forward", url], ["forward", url]];
  // Each first question is answered with the allowed place; a second resolution would go inside.
  rig.names.set("rebind.example", [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"]]);
  const [first, second, third, fourth] = await rig.probe(rules, steps) as [
    Record<string, unknown>,
    Record<string, unknown>,
    string,
    string,
  ];
  strictEqual(first.body, "allowed");
  match(String(second.error), /^Permission denied: domain not in whitelist: rebind\.example: .*127\.0\.0\.1/);
  match(third, /allowed$/);
  match(fourth, /^HTTP\/1\.1 403 /);
  // Of several addresses only those that were allowed are connected to.
  rig.names.set("rebind.example", [["127.0.0.1", "127.0.0.2"]]);
  const [both] = await rig.probe(rules, [["http", { url }]]) as [Record<string, unknown>];
  strictEqual(both.body, "allowed");
  deepStrictEqual(inside.heard, []);
});

test("an agent without rules reaches nothing: not the host, not names, not through its proxy", async () => {
  await using inside = await Target.start();
  await using rig = await Rig.start();
  rig.names.set("outside.example", [["93.184.216.34"]]);
  const [host, far, forward, http] = await rig.probe(["ipc:*"], [
    ["direct", "127.0.0.1", inside.port],
    ["direct", "93.184.216.34", 80],
    ["forward", `http://outside.example/`],
    ["http", { url: "http://outside.example/" }],
  ]) as [string, string, string, Record<string, unknown>];
  match(host, /refused/);
  match(far, /unreachable/);
  match(forward, /^HTTP\/1\.1 403 .*"receipt":\{"need":"net:http:\/\/outside\.example GET \/"/s);
  match(String(http.error), /^Permission denied: HTTP not allowed: /);
  deepStrictEqual((http.receipt as { missing: string }).missing, "net:http://outside.example GET /");
  deepStrictEqual(inside.heard, []);
});
