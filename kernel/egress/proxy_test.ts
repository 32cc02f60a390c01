import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { EgressError } from "./errors.ts";
import { eventually, exchange, Loopback, tableResolver, TestGate, TestProxy, Wire } from "./fixtures_test.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

function bodyOf(answer: string): Record<string, unknown> {
  return JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4));
}

Deno.test("A refused request is answered 403 with its receipt, and nothing is connected to", async () => {
  await using origin = await Loopback.saying(OK);
  await using proxy = await TestProxy.start({ gate: new TestGate(() => false) });
  const url = `http://127.0.0.1:${origin.port}/a`;
  const answer = await exchange(
    proxy.port,
    `GET ${url}?token=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  );
  match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/);
  deepStrictEqual(bodyOf(answer), {
    success: false,
    error: `Cannot reach "${url}": the test says no`,
    code: "denied",
    receipt: {
      need: `net:${url}`,
      rule: "test refuses",
      missing: `net:${url}`,
      ask: `clove perms grant AGENT net:${url}`,
    },
  });
  strictEqual(origin.connections, 0);
  const { ms, ...decision } = proxy.last!;
  ok(ms >= 0);
  deepStrictEqual(decision, {
    agent: 7,
    kind: "forward",
    phase: "done",
    target: url,
    method: "GET",
    ip: null,
    allowed: false,
    rule: "test refuses",
    receipt: bodyOf(answer).receipt,
    status: null,
    bytesUp: 0,
    bytesDown: 0,
    end: "refused",
  });
});

Deno.test("An allowed request is taken apart and put together again, and counted", async () => {
  await using origin = await Loopback.saying(
    "HTTP/1.1 404 Nope\r\nContent-Length: 5\r\nX-Kept: 1\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nabcde",
  );
  await using proxy = await TestProxy.start();
  const url = `http://127.0.0.1:${origin.port}/a/../b?q=1`;
  const answer = await exchange(
    proxy.port,
    `POST ${url} HTTP/1.1\r\nHost: elsewhere\r\nX-One: '"$(id)\r\nProxy-Authorization: Basic eA==\r\n` +
      `Connection: close, x-mine\r\nX-Mine: 1\r\nContent-Length: 3\r\n\r\nxyz`,
  );
  strictEqual(
    answer,
    "HTTP/1.1 404 Nope\r\nX-Kept: 1\r\ncontent-length: 5\r\nconnection: close\r\n\r\nabcde",
  );
  strictEqual(
    origin.heard[0],
    `POST /b?q=1 HTTP/1.1\r\nhost: 127.0.0.1:${origin.port}\r\nX-One: '"$(id)\r\ncontent-length: 3\r\n` +
      `connection: close\r\n\r\nxyz`,
  );
  const { status, bytesUp, bytesDown, end, allowed, ip, target } = proxy.last!;
  deepStrictEqual({ status, bytesUp, bytesDown, end, allowed, ip }, {
    status: 404,
    bytesUp: 3,
    bytesDown: 5,
    end: "ok",
    allowed: true,
    ip: "127.0.0.1",
  });
  strictEqual(target, `http://127.0.0.1:${origin.port}/b`);
});

Deno.test("Each request of a kept connection is decided by itself, by method and path", async () => {
  await using origin = await Loopback.saying(OK);
  const gate = new TestGate((target, method) => method === "GET" && !target.includes("/secret"));
  await using proxy = await TestProxy.start({ gate });
  await using wire = await Wire.open(proxy.port);
  const base = `http://127.0.0.1:${origin.port}`;
  const asked: [string, string, number][] = [
    ["GET", "/a", 200],
    ["GET", "/secret", 403],
    ["DELETE", "/a", 403],
    ["GET", "/b", 200],
  ];
  for (const [method, path, status] of asked) {
    wire.text = "";
    wire.send(`${method} ${base}${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await wire.until(status === 200 ? "hi" : "}}\n");
    match(wire.text, new RegExp(`^HTTP/1\\.1 ${status} `));
  }
  strictEqual(origin.connections, 2);
  deepStrictEqual(proxy.decisions.map(({ allowed }) => allowed), [true, false, false, true]);
});

Deno.test("Pipelined requests are answered in order, the refused among them too", async () => {
  await using origin = await Loopback.saying(OK);
  await using proxy = await TestProxy.start({ gate: new TestGate((target) => !target.endsWith("/no")) });
  const base = `http://127.0.0.1:${origin.port}`;
  const one = (path: string, more = "") => `GET ${base}${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  const answer = await exchange(proxy.port, one("/1") + one("/no") + one("/2", "Connection: close\r\n"));
  deepStrictEqual(answer.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 403", "HTTP/1.1 200"]);
});

Deno.test("A request is understood when it comes one byte at a time", async () => {
  await using origin = await Loopback.saying(
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
  );
  await using proxy = await TestProxy.start();
  await using wire = await Wire.open(proxy.port);
  const text = `POST http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n` +
    `Connection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
  for (const char of text) {
    wire.send(char);
    await new Promise((resolve) => setImmediate(resolve));
  }
  match(await wire.end(), /\r\ntransfer-encoding: chunked\r\n.*\r\n\r\n2\r\nhi\r\n0\r\n\r\n$/s);
  await eventually(() => origin.heard[0]!.endsWith("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "the chunks arrive");
});

Deno.test("An answer without a length reaches an HTTP/1.1 client in chunks, and an HTTP/1.0 client until the end", async () => {
  await using origin = await Loopback.saying("HTTP/1.0 200 OK\r\n\r\nunbounded");
  await using proxy = await TestProxy.start();
  const url = `http://127.0.0.1:${origin.port}/`;
  const modern = await exchange(proxy.port, `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  match(modern, /transfer-encoding: chunked\r\nconnection: close\r\n\r\n9\r\nunbounded\r\n0\r\n\r\n$/);
  const old = await exchange(proxy.port, `GET ${url} HTTP/1.0\r\n\r\n`);
  match(old, /\r\nconnection: close\r\n\r\nunbounded$/);
});

Deno.test("An answer that breaks off is not passed off as whole", async () => {
  await using origin = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
  await using proxy = await TestProxy.start();
  const url = `http://127.0.0.1:${origin.port}/`;
  const answer = await exchange(proxy.port, `GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`);
  match(answer, /content-length: 10\r\n\r\nhalf$/);
  match(proxy.last!.end, /6 bytes before the end/);
});

Deno.test("The answer to HEAD keeps its length and has no body", async () => {
  await using origin = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n");
  await using proxy = await TestProxy.start();
  const url = `http://127.0.0.1:${origin.port}/`;
  const answer = await exchange(proxy.port, `HEAD ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  match(answer, /content-length: 10\r\nconnection: close\r\n\r\n$/);
  strictEqual(proxy.last!.end, "ok");
});

Deno.test("Informational answers are passed on, and a body waits for 100 Continue", async () => {
  await using origin = await Loopback.raw((socket) => {
    let heard = "";
    socket.on("data", (bytes: Uint8Array) => {
      heard += new TextDecoder().decode(bytes);
      if (heard.endsWith("\r\n\r\n")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      if (heard.endsWith("body")) socket.end(OK);
    });
  });
  await using proxy = await TestProxy.start();
  await using wire = await Wire.open(proxy.port);
  wire.send(
    `PUT http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
  );
  await wire.until("100 Continue\r\n\r\n");
  wire.send("body");
  await wire.until("200 OK");
});

Deno.test("An upload to a refused place gets its answer, and is not cut off before it could be read", async () => {
  await using proxy = await TestProxy.start({ gate: new TestGate(() => false) });
  await using wire = await Wire.open(proxy.port);
  const errors: unknown[] = [];
  wire.socket.on("error", (error: unknown) => errors.push(error));
  wire.send("POST http://example.com/ HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
  for (let piece = 0; piece < 50; piece++) {
    wire.send("x".repeat(10_000));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  match(await wire.end(), /^HTTP\/1\.1 403 /);
  deepStrictEqual(errors, []);
});

Deno.test("TRACE is not forwarded, for it would send secrets back", async () => {
  await using origin = await Loopback.saying(OK);
  await using proxy = await TestProxy.start();
  for (const method of ["TRACE", "track"]) {
    const text = `${method} http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nConnection: close\r\n\r\n`;
    match(await exchange(proxy.port, text), /^HTTP\/1\.1 400 /);
  }
  strictEqual(origin.connections, 0);
});

Deno.test("A plain request gets its secret for its place only, and a refused secret refuses the request", async () => {
  await using origin = await Loopback.saying(OK);
  await using proxy = await TestProxy.start({
    substitute: (value, { scheme, host, method, header }) => {
      if (method === "DELETE") throw new EgressError("denied", "Cannot use the secret KEY with DELETE");
      return scheme === "http" && host === "127.0.0.1" && header === "x-key"
        ? value.replace("{{KEY}}", "s3cret")
        : value;
    },
  });
  const ask = (method: string) =>
    exchange(
      proxy.port,
      `${method} http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nX-Key: {{KEY}}\r\nX-Other: {{KEY}}\r\nConnection: close\r\n\r\n`,
    );
  match(await ask("DELETE"), /^HTTP\/1\.1 403 .*Cannot use the secret KEY/s);
  match(await ask("GET"), /^HTTP\/1\.1 200 /);
  ok(origin.heard.join("").includes("X-Key: s3cret\r\nX-Other: {{KEY}}\r\n"));
  ok(!JSON.stringify(proxy.decisions).includes("s3cret"));
});

Deno.test("A server that cannot be reached is 502, a name that does not resolve too, one that says nonsense as well", async () => {
  await using nonsense = await Loopback.saying("SSH-2.0-OpenSSH\r\n\r\n");
  let free = 0;
  {
    await using gone = await Loopback.saying(OK);
    free = gone.port;
  }
  await using proxy = await TestProxy.start({ resolver: tableResolver({}) });
  for (
    const [host, why] of [
      [`127.0.0.1:${free}`, /ECONNREFUSED/],
      ["missing.example", /ENOTFOUND/],
      [`127.0.0.1:${nonsense.port}`, /no HTTP response/],
    ] as const
  ) {
    const answer = await exchange(
      proxy.port,
      `GET http://${host}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    match(answer, /^HTTP\/1\.1 502 /);
    match(String(bodyOf(answer).error), why);
  }
});
