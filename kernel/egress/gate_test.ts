import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { Authority, Policy } from "../../permissions/mod.ts";
import { EgressError } from "./errors.ts";
import { eventually, exchange, Loopback, tableResolver, TestProxy, Wire } from "./fixtures_test.ts";
import { gateOf } from "./gate.ts";
import { request } from "./http_client.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const get = (url: string, method = "GET") =>
  `${method} ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
const status = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

Deno.test("An agent without a net rule reaches nothing, and the receipt names the command that would help", async () => {
  await using server = await Loopback.saying(OK);
  const gate = gateOf(new Authority(Policy.level("sandboxed")), "worker");
  await using proxy = await TestProxy.start({ gate });
  const url = `http://127.0.0.1:${server.port}/a`;
  const answer = await exchange(proxy.port, get(url));
  strictEqual(status(answer), 403);
  match(answer, new RegExp(`"ask":"clove perms grant worker .*net:http://127.0.0.1:${server.port}`));
  strictEqual(status(await exchange(proxy.port, `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`)), 403);
  strictEqual(server.connections, 0);
});

Deno.test("A rule for every name does not include this machine or its network, one that says so does", async () => {
  await using server = await Loopback.saying(OK);
  const resolver = tableResolver({ "name.example": ["127.0.0.1"] });
  const named = `http://name.example:${server.port}/`;
  const literal = `http://127.0.0.1:${server.port}/`;
  for (
    const [rule, byName, byAddress] of [
      [`net:*:${server.port}`, 403, 403],
      [`net:name.example:${server.port}`, 403, 403],
      [`net:name.example:${server.port} private`, 200, 403],
      [`net:${literal.slice(0, -1)}`, 403, 200],
      [`net:127.0.0.0/8:${server.port}`, 403, 200],
    ] as const
  ) {
    await using proxy = await TestProxy.start({
      gate: gateOf(new Authority(Policy.parse(rule)), "worker"),
      resolver,
    });
    strictEqual(status(await exchange(proxy.port, get(named))), byName, `${rule} by name`);
    strictEqual(status(await exchange(proxy.port, get(literal))), byAddress, `${rule} by address`);
  }
});

Deno.test("A rule with methods and paths holds for requests, and opens no tunnel around itself", async () => {
  await using server = await Loopback.saying(OK);
  const base = `http://127.0.0.1:${server.port}`;
  const gate = gateOf(new Authority(Policy.parse(`net:${base} GET,POST /repos/**`)), "worker");
  await using proxy = await TestProxy.start({ gate });
  for (
    const [method, path, expected] of [
      ["GET", "/repos/a?q=1", 200],
      ["POST", "/repos/a", 200],
      ["DELETE", "/repos/a", 403],
      ["GET", "/admin", 403],
      ["GET", "/repos/../admin", 403],
      ["GET", "/repos/%2e%2e/admin", 403],
      ["GET", "/repos/..%2fadmin", 400],
      ["GET", "/admin#/repos/a", 400],
      ["GET", "/admin?/repos/a", 403],
    ] as const
  ) strictEqual(status(await exchange(proxy.port, get(base + path, method))), expected, `${method} ${path}`);
  strictEqual(status(await exchange(proxy.port, `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`)), 403);
});

Deno.test("A grant for one act is good for one, however long it lasts, and not for a second", async () => {
  await using server = await Loopback.raw((socket) => socket.once("data", () => socket.write("x")));
  const authority = new Authority(Policy.level("minimal"));
  const rule = Policy.parse(`net:127.0.0.1:${server.port}`);
  authority.grant(rule, { from: null, uses: 1 });
  await using proxy = await TestProxy.start({ gate: gateOf(authority, "worker") });
  await using wire = await Wire.open(proxy.port);
  wire.send(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\nhello`);
  await wire.until("\r\n\r\nx");
  strictEqual(proxy.proxy.recheck(), 0);
  strictEqual(status(await exchange(proxy.port, `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`)), 403);
  strictEqual(wire.ended, false);
});

Deno.test("A grant that is taken back closes the tunnels it opened, and those alone", async () => {
  await using server = await Loopback.raw((socket) => socket.once("data", () => socket.write("x")));
  await using other = await Loopback.raw((socket) => socket.once("data", () => socket.write("x")));
  const parent = new Authority(Policy.parse(`net:127.0.0.1:${other.port}`));
  const authority = new Authority(Policy.level("unrestricted"), parent);
  const grant = authority.grant(Policy.parse(`net:127.0.0.1:${server.port}`), { from: null });
  await using proxy = await TestProxy.start({ gate: gateOf(authority, "worker") });
  const tunnel = async (port: number) => {
    const wire = await Wire.open(proxy.port);
    wire.send(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\nhello`);
    await wire.until("\r\n\r\nx");
    return wire;
  };
  await using granted = await tunnel(server.port);
  await using held = await tunnel(other.port);
  grant.revoke();
  strictEqual(proxy.proxy.recheck(), 1);
  await granted.end(1_000);
  strictEqual(held.ended, false);
  // What the parent loses, the child loses.
  parent.lower(Policy.level("minimal"));
  strictEqual(proxy.proxy.recheck(), 1);
  await held.end(1_000);
});

Deno.test("A rule that expires closes what it opened without anybody's help", async () => {
  await using server = await Loopback.raw((socket) => socket.once("data", () => socket.write("x")));
  const authority = new Authority(Policy.level("minimal"));
  authority.grant(Policy.parse(`net:127.0.0.1:${server.port}`), { from: null, until: Date.now() + 150 });
  await using proxy = await TestProxy.start({ gate: gateOf(authority, "worker"), limits: { recheckMs: 20 } });
  await using wire = await Wire.open(proxy.port);
  wire.send(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\nhello`);
  await wire.until("\r\n\r\nx");
  await wire.end(2_000);
  strictEqual(proxy.last!.end, "revoked");
});

Deno.test("The client follows a redirect only as far as the rules go", async () => {
  await using server = await Loopback.saying(
    "HTTP/1.1 302 Found\r\nlocation: /private\r\ncontent-length: 0\r\n\r\n",
    OK,
  );
  const base = `http://127.0.0.1:${server.port}`;
  const gate = gateOf(new Authority(Policy.parse(`net:${base} GET /public/**`)), "worker");
  await rejects(
    request({ url: `${base}/public/a`, redirects: 3 }, gate),
    (error) =>
      error instanceof EgressError && error.code === "denied" && error.receipt!.need.endsWith("/private"),
  );
  strictEqual(server.connections, 1);
  deepStrictEqual((await request({ url: `${base}/public/b` }, gate)).status, 200);
  await eventually(() => server.sockets.every(({ destroyed }) => destroyed), "all is closed");
  ok(server.heard[1]!.startsWith("GET /public/b HTTP/1.1\r\n"));
});
