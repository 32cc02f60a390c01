import { match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { eventually, exchange, Loopback, tableResolver, TestGate, TestProxy, Wire } from "./fixtures_test.ts";

/** Bytes that once were, or could have been, understood in two ways; whoever finds another adds it. */
const CORPUS: readonly string[] = [
  "\r\n\r\n\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "CONNECT",
  "CONNECT \r\n\r\n",
  "CONNECT 127.0.0.1:PORT HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
  "CONNECT 127.0.0.1:PORT HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "CONNECT http://127.0.0.1:PORT/ HTTP/1.1\r\n\r\n",
  "CONNECT 127.0.0.1:PORT\r\n\r\n",
  "CONNECT\t127.0.0.1:PORT\tHTTP/1.1\r\n\r\n",
  "GET http://127.0.0.1:PORT/",
  "GET http://127.0.0.1:PORT/ HTTP/1.1\n\n",
  "GET http://127.0.0.1:PORT/ HTTP/1.1\r\n\n",
  "GET http://127.0.0.1:PORT/\r\n HTTP/1.1\r\n\r\n",
  "POST http://127.0.0.1:PORT/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
  "POST http://127.0.0.1:PORT/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
  "POST http://127.0.0.1:PORT/ HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
  "\x05",
  "\x05\x01\x00\x05\x01\x00\x03\xff",
  "\x05\x01\x00\x05\x01\x00\x03\x00\x00\x50",
  "\x05\x01\x00\x05\x01\x01\x01\x7f\x00\x00\x01\x00\x50",
  "\x05\xff" + "\x01".repeat(255),
];

Deno.test("Malformed input harms only the connection it came on, and reaches no server", async () => {
  await using server = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
  await using proxy = await TestProxy.start({
    gate: new TestGate(),
    resolver: tableResolver({}),
    limits: { headMs: 150, keepAliveMs: 150, idleMs: 200, recheckMs: 50 },
  });
  for (const text of CORPUS) {
    const before = server.connections;
    const answer = await exchange(proxy.port, text.replaceAll("PORT", String(server.port)));
    // deno-lint-ignore no-control-regex
    match(answer, /^(HTTP\/1\.1 (400|408|431|501|505) |\x05|$)/, JSON.stringify(text));
    // Chunks are found to be wrong only when the request is under way; it then never becomes whole.
    if (!text.startsWith("POST")) {
      strictEqual(server.connections, before, JSON.stringify(text));
    }
  }
  ok(server.heard.every((text) => !text.includes("\r\n0\r\n\r\n")));
  const base = `http://127.0.0.1:${server.port}/`;
  match(await exchange(proxy.port, `GET ${base} HTTP/1.1\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 200 /);
  await eventually(() => proxy.proxy.stats.connections === 0, "no connection stays behind");
  strictEqual(proxy.proxy.stats.passages, 0);
});

Deno.test("Whatever is sent, in whatever pieces, every connection ends and the proxy goes on", async () => {
  await using proxy = await TestProxy.start({
    gate: new TestGate(() => false),
    limits: { headMs: 40, keepAliveMs: 40, idleMs: 40, recheckMs: 20 },
  });
  const word = fc.constantFrom(
    "GET ",
    "POST ",
    "CONNECT ",
    "http://a.example/",
    "a.example:443",
    " HTTP/1.1",
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    ":",
    "Host: x\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\x05\x01\x00",
    "\x05\x01\x00\x03\x01a\x00\x50",
    "\0",
    "\xff",
    "abc",
    "0\r\n\r\n",
    "3\r\nabc\r\n",
  );
  const text = fc.oneof(
    fc.array(word, { maxLength: 14 }).map((words) => words.join("")),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => String.fromCharCode(...bytes)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 8, maxLength: 8 }), fc.boolean(), async (texts, finish) => {
      await Promise.all(texts.map(async (text) => {
        await using wire = await Wire.open(proxy.port);
        const half = text.length >> 1;
        wire.send(text.slice(0, half));
        await new Promise((resolve) => setImmediate(resolve));
        wire.send(text.slice(half));
        if (finish) wire.socket.end();
        const answer = await wire.end(3_000);
        // deno-lint-ignore no-control-regex
        match(answer, /^(HTTP\/1\.1 (400|403|408|431|501|505) [^]*|\x05[^]*|)$/);
      }));
    }),
    { numRuns: 60 },
  );
  await eventually(() => proxy.proxy.stats.connections === 0, "no connection stays behind");
  ok(proxy.decisions.every(({ allowed }) => !allowed));
});
