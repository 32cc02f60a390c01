import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { createServer } from "node:net";
import { classifyAddress } from "../../permissions/mod.ts";
import { EgressError } from "./errors.ts";
import { exchange, Loopback, tableResolver, TestGate, TestProxy, Wire } from "./fixtures_test.ts";
import { request } from "./http_client.ts";

/** Every name, but none of the addresses inside. */
const publicOnly = () => new TestGate(undefined, (ip) => classifyAddress(ip) === "public");

/** Ways to write an address that is not public, and what it is. */
const INSIDE: [written: string, ip: string][] = [
  ["127.0.0.1", "127.0.0.1"],
  ["2130706433", "127.0.0.1"],
  ["0x7f000001", "127.0.0.1"],
  ["0x7f.0.0.1", "127.0.0.1"],
  ["0177.0.0.1", "127.0.0.1"],
  ["017700000001", "127.0.0.1"],
  ["127.1", "127.0.0.1"],
  ["127.0.0.1.", "127.0.0.1"],
  ["127.127.127.127", "127.127.127.127"],
  ["0", "0.0.0.0"],
  ["0.0.0.0", "0.0.0.0"],
  ["0.1.2.3", "0.1.2.3"],
  ["10.1.2.3", "10.1.2.3"],
  ["172.16.0.1", "172.16.0.1"],
  ["192.168.1.1", "192.168.1.1"],
  ["100.64.0.1", "100.64.0.1"],
  ["169.254.169.254", "169.254.169.254"],
  ["2852039166", "169.254.169.254"],
  ["0xa9fea9fe", "169.254.169.254"],
  ["169.254.1.1", "169.254.1.1"],
  ["100.100.100.200", "100.100.100.200"],
  ["224.0.0.1", "224.0.0.1"],
  ["255.255.255.255", "255.255.255.255"],
  ["[::]", "::"],
  ["[::1]", "::1"],
  ["[0:0:0:0:0:0:0:1]", "::1"],
  ["[::ffff:127.0.0.1]", "127.0.0.1"],
  ["[::ffff:7f00:1]", "127.0.0.1"],
  ["[::ffff:a9fe:a9fe]", "169.254.169.254"],
  ["[64:ff9b::7f00:1]", "64:ff9b::7f00:1"],
  ["[64:ff9b::169.254.169.254]", "64:ff9b::a9fe:a9fe"],
  ["[2002:7f00:1::]", "2002:7f00:1::"],
  ["[2001:0:0:0:0:0:80ff:fffe]", "2001::80ff:fffe"],
  ["[fe80::1]", "fe80::1"],
  ["[fc00::1]", "fc00::1"],
  ["[fd00:ec2::254]", "fd00:ec2::254"],
  ["[ff02::1]", "ff02::1"],
];

Deno.test("An address inside is refused however it is written, by the client, by forwarding and by CONNECT", async () => {
  for (const [written, ip] of INSIDE) {
    const gate = publicOnly();
    await rejects(
      request({ url: `http://${written}:9/`, timeoutMs: 2_000 }, gate),
      (error) => error instanceof EgressError && error.code === "denied",
      written,
    );
    strictEqual(gate.asked.at(-1), ip, written);
    await using proxy = await TestProxy.start({ gate });
    const forwarded = await exchange(
      proxy.port,
      `GET http://${written}:9/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    match(forwarded, /^HTTP\/1\.1 403 /, written);
    match(await exchange(proxy.port, `CONNECT ${written}:9 HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 403 /, written);
    deepStrictEqual(
      proxy.decisions.map((one) => [one.ip, one.end]),
      [[ip, "refused"], [ip, "refused"]],
      written,
    );
  }
});

Deno.test("An address inside is refused over SOCKS5, as a name and as an address", async () => {
  await using proxy = await TestProxy.start({ gate: publicOnly() });
  const refused = "\x05\x00\x05\x02\x00\x01\0\0\0\0\0\0";
  for (const [written] of INSIDE.filter(([written]) => !written.startsWith("["))) {
    const request = `\x05\x01\x00\x05\x01\x00\x03${String.fromCharCode(written.length)}${written}\x00\x09`;
    strictEqual(await exchange(proxy.port, request), refused, written);
  }
  for (
    const address of [
      "\x01\x7f\x00\x00\x01",
      `\x04${"\0".repeat(15)}\x01`,
      `\x04${"\0".repeat(10)}\xff\xff\x7f\0\0\x01`,
    ]
  ) {
    strictEqual(await exchange(proxy.port, `\x05\x01\x00\x05\x01\x00${address}\x00\x09`), refused);
  }
});

Deno.test("A public-looking name that resolves inside is refused, whatever it resolves to", async () => {
  await using server = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nin");
  for (
    const ip of [
      "127.0.0.1",
      "::1",
      "::ffff:127.0.0.1",
      "::ffff:7f00:1",
      "64:ff9b::7f00:1",
      "169.254.169.254",
      "0.0.0.0",
    ]
  ) {
    const resolver = tableResolver({ "public.example": [ip] });
    const gate = publicOnly();
    await rejects(
      request({ url: `http://public.example:${server.port}/`, timeoutMs: 2_000 }, gate, { resolver }),
      (error) => error instanceof EgressError && error.code === "denied",
      ip,
    );
    await using proxy = await TestProxy.start({ gate, resolver });
    match(
      await exchange(proxy.port, `CONNECT public.example:${server.port} HTTP/1.1\r\n\r\n`),
      /^HTTP\/1\.1 403 /,
      ip,
    );
  }
  strictEqual(server.connections, 0);
});

Deno.test("A name that answers differently the second time is connected to where it was checked", async () => {
  await using server = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nin");
  // What the gate sees first is allowed, what a second resolution would give is not, though it is where the server is.
  const rebinding = () => tableResolver({ "rebind.example": [["127.0.0.9"], ["127.0.0.1"]] });
  const gate = new TestGate(undefined, (ip) => ip === "127.0.0.9");
  const url = `http://rebind.example:${server.port}/`;
  const first = rebinding();
  await rejects(
    request({ url, timeoutMs: 2_000 }, gate, { resolver: first }),
    (error) =>
      error instanceof EgressError && error.code === "unavailable" && /ECONNREFUSED/.test(error.message),
  );
  deepStrictEqual(first.asked, ["rebind.example"]);
  const second = rebinding();
  await using proxy = await TestProxy.start({ gate, resolver: second });
  match(
    await exchange(proxy.port, `CONNECT rebind.example:${server.port} HTTP/1.1\r\n\r\n`),
    /^HTTP\/1\.1 502 /,
  );
  deepStrictEqual(second.asked, ["rebind.example"]);
  // The next request resolves again, and is refused for what it now resolves to.
  match(
    await exchange(proxy.port, `CONNECT rebind.example:${server.port} HTTP/1.1\r\n\r\n`),
    /^HTTP\/1\.1 403 /,
  );
  strictEqual(server.connections, 0);
});

Deno.test("A redirect inside is refused, by name and by address", async () => {
  await using inner = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nin");
  const resolver = tableResolver({ "out.example": ["127.0.0.2"], "inner.example": ["127.0.0.1"] });
  // 127.0.0.2 stands for the world outside.
  const gate = new TestGate(undefined, (ip) => ip === "127.0.0.2");
  for (const host of ["127.0.0.1", "inner.example", "2130706433", "[::ffff:127.0.0.1]"]) {
    const location = `http://${host}:${inner.port}/`;
    const redirect = `HTTP/1.1 302 Found\r\nLocation: ${location}\r\ncontent-length: 0\r\n\r\n`;
    await using outer = await Loopback.start(
      createServer((socket) => socket.once("data", () => socket.end(redirect))),
      "127.0.0.2",
    );
    await rejects(
      request({ url: `http://out.example:${outer.port}/`, redirects: 5 }, gate, { resolver }),
      (error) => error instanceof EgressError && error.code === "denied",
      host,
    );
  }
  strictEqual(inner.connections, 0);
});

Deno.test("The proxy speaks for no other scheme, and reads hosts as the gate does", async () => {
  const gate = new TestGate((target) => target.startsWith("http://allowed.example"));
  await using proxy = await TestProxy.start({ gate, resolver: tableResolver({}) });
  for (
    const [target, status] of [
      ["file:///etc/passwd", 400],
      ["ftp://allowed.example/", 400],
      ["gopher://allowed.example/", 400],
      ["https://allowed.example/", 400],
      ["http:allowed.example/", 400],
      ["/etc/passwd", 400],
      ["*", 400],
      ["allowed.example:80", 400],
      ["http://allowed.example:x@other.example/", 400],
      ["http://allowed.example@other.example/", 400],
      ["http://allowed.example#@other.example/", 400],
      ["http://allowed.example\\@other.example/", 400],
      ["http://allowed.example/%2e%2e%2f%2e%2e%2fadmin", 400],
      ["http://other.example/?http://allowed.example/", 403],
      ["http://other.example/allowed.example", 403],
      ["http://other.example?.allowed.example/", 403],
      ["http://allowedXexample/", 403],
    ] as const
  ) {
    const answer = await exchange(
      proxy.port,
      `GET ${target} HTTP/1.1\r\nHost: allowed.example\r\nConnection: close\r\n\r\n`,
    );
    match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), target);
  }
  match(
    await exchange(
      proxy.port,
      "GET http://ALLOWED.example.:80/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ),
    /^HTTP\/1\.1 502 .*ENOTFOUND/s,
  );
  ok(proxy.decisions.slice(0, -1).every(({ allowed }) => !allowed));
});

Deno.test("A request hidden behind another is never forwarded", async () => {
  await using server = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
  await using proxy = await TestProxy.start({ gate: new TestGate((target) => !target.endsWith("/admin")) });
  const url = `http://127.0.0.1:${server.port}`;
  const hidden = `GET ${url}/admin HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (
    const headers of [
      `Content-Length: 5\r\nTransfer-Encoding: chunked`,
      `Transfer-Encoding: chunked\r\nContent-Length: ${hidden.length}`,
      `Content-Length: 0\r\nContent-Length: ${hidden.length}`,
      `Content-Length: 0, ${hidden.length}`,
      `Transfer-Encoding: chunked, identity`,
      `Transfer-Encoding : chunked`,
      `Transfer-Encoding:\x0bchunked`,
      `X: 1\nTransfer-Encoding: chunked`,
      `X: 1\r\n Transfer-Encoding: chunked`,
      `Host: y`,
    ]
  ) {
    const answer = await exchange(
      proxy.port,
      `POST ${url}/a HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n0\r\n\r\n${hidden}`,
    );
    match(answer, /^HTTP\/1\.1 (400|501) /, headers);
    strictEqual(answer.match(/HTTP\/1\.1/g)!.length, 1, headers);
  }
  strictEqual(server.connections, 0);
  // What looks like a request inside a body stays a body; after it, the next one is decided.
  await using wire = await Wire.open(proxy.port);
  wire.send(
    `POST ${url}/a HTTP/1.1\r\nHost: x\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}${hidden}`,
  );
  await wire.until((text) => text.includes("200 OK") && text.includes("403 Forbidden"));
  strictEqual(server.connections, 1);
});
