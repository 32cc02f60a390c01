import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { createServer } from "node:net";
import { eventually, exchange, Loopback, tableResolver, TestGate, TestProxy, Wire } from "./fixtures_test.ts";

/** Sends back what it gets, and finishes when the other side has. */
const echo = () =>
  Loopback.start(createServer({ allowHalfOpen: true }, (socket) => {
    socket.pipe(socket);
  }));

const SOCKS_HELLO = "\x05\x01\x00";

function socksRequest(host: string, port: number, command = 1): string {
  return `\x05${String.fromCharCode(command)}\x00\x03${String.fromCharCode(host.length)}${host}` +
    String.fromCharCode(port >> 8, port & 255);
}

Deno.test("CONNECT to a refused port is answered 403 with its receipt, and nothing is connected to", async () => {
  await using server = await echo();
  await using proxy = await TestProxy.start({ gate: new TestGate((target) => target.endsWith(":443")) });
  const answer = await exchange(proxy.port, `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
  match(answer, /^HTTP\/1\.1 403 Forbidden\r\n.*"receipt":\{"need":"net:tcp:\/\/127\.0\.0\.1:\d+"/s);
  strictEqual(server.connections, 0);
  deepStrictEqual(proxy.decisions.map(({ kind, phase, allowed, end }) => [kind, phase, allowed, end]), [
    ["connect", "done", false, "refused"],
  ]);
});

Deno.test("A CONNECT tunnel carries bytes both ways untouched, early ones too, and is reported at both ends", async () => {
  await using server = await echo();
  const substitute = () => {
    throw new Error("A tunnel is not looked into");
  };
  await using proxy = await TestProxy.start({ substitute });
  await using wire = await Wire.open(proxy.port);
  wire.send(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n\r\nearly `);
  await wire.until("HTTP/1.1 200 Connection Established\r\n\r\nearly ");
  strictEqual(proxy.proxy.stats.tunnels, 1);
  wire.send("GET / HTTP/1.1\r\nAuthorization: {{secret}}\r\n\r\n");
  await wire.until("{{secret}}\r\n\r\n");
  wire.socket.end();
  await wire.end();
  await eventually(() => proxy.decisions.length === 2, "the end is reported");
  deepStrictEqual(
    proxy.decisions.map((
      { phase, allowed, end, bytesUp, bytesDown, ip },
    ) => [phase, allowed, end, bytesUp, bytesDown, ip]),
    [["open", true, "ok", 0, 0, "127.0.0.1"], ["done", true, "ok", 51, 51, "127.0.0.1"]],
  );
  strictEqual(proxy.proxy.stats.tunnels, 0);
});

Deno.test("Who has finished sending still receives", async () => {
  await using server = await Loopback.start(createServer({ allowHalfOpen: true }, (socket) => {
    let heard = "";
    socket.on("data", (bytes: Uint8Array) => heard += new TextDecoder().decode(bytes));
    socket.on("end", () => socket.end(`heard ${heard}`));
  }));
  await using proxy = await TestProxy.start();
  await using wire = await Wire.open(proxy.port);
  wire.send(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\nall of it`);
  wire.socket.end();
  match(await wire.end(), /heard all of it$/);
});

Deno.test("SOCKS5 refuses what the gate refuses, and other commands and methods than its own", async () => {
  await using server = await echo();
  await using proxy = await TestProxy.start({ gate: new TestGate(() => false) });
  const { port } = server;
  for (
    const [sent, answer] of [
      [SOCKS_HELLO + socksRequest("127.0.0.1", port), "\x05\x00\x05\x02\x00\x01\0\0\0\0\0\0"],
      [SOCKS_HELLO + socksRequest("127.0.0.1", port, 2), "\x05\x00\x05\x07\x00\x01\0\0\0\0\0\0"],
      [SOCKS_HELLO + socksRequest("127.0.0.1", port, 3), "\x05\x00\x05\x07\x00\x01\0\0\0\0\0\0"],
      [SOCKS_HELLO + "\x05\x01\x00\x09", "\x05\x00\x05\x08\x00\x01\0\0\0\0\0\0"],
      [SOCKS_HELLO + socksRequest("", port), "\x05\x00\x05\x01\x00\x01\0\0\0\0\0\0"],
      [SOCKS_HELLO + socksRequest("a b", port), "\x05\x00\x05\x01\x00\x01\0\0\0\0\0\0"],
      [SOCKS_HELLO + socksRequest("::1", port), "\x05\x00\x05\x01\x00\x01\0\0\0\0\0\0"],
      [SOCKS_HELLO + socksRequest("example.com", 0), "\x05\x00\x05\x01\x00\x01\0\0\0\0\0\0"],
      ["\x05\x01\x02", "\x05\xff"],
      ["\x05\x00", ""],
    ] as const
  ) strictEqual(await exchange(proxy.port, sent), answer, JSON.stringify(sent));
  // SOCKS4 is no SOCKS5, and what follows is no HTTP either.
  match(await exchange(proxy.port, "\x04\x01\x00\x50\x7f\x00\x00\x01\x00\r\n\r\n"), /^HTTP\/1\.1 400 /);
  strictEqual(server.connections, 0);
  ok(proxy.decisions.every(({ allowed }) => !allowed));
});

Deno.test("SOCKS5 tunnels to a name, an IPv4 and an IPv6 address, each byte sent alone", async () => {
  await using server = await echo();
  const gate = new TestGate();
  await using proxy = await TestProxy.start({
    gate,
    resolver: tableResolver({ "name.example": ["127.0.0.1"] }),
  });
  const port = String.fromCharCode(server.port >> 8, server.port & 255);
  const mapped = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\x00\x00\x01";
  for (
    const request of [
      socksRequest("NAME.example.", server.port),
      `\x05\x01\x00\x01\x7f\x00\x00\x01${port}`,
      `\x05\x01\x00\x04${mapped}${port}`,
    ]
  ) {
    await using wire = await Wire.open(proxy.port);
    for (const char of SOCKS_HELLO + request + "hi") {
      wire.send(char);
      await new Promise((resolve) => setImmediate(resolve));
    }
    strictEqual(await wire.until("hi"), "\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0hi");
  }
  // Once each: a grant may be good for one act.
  deepStrictEqual(gate.asked.filter((what) => what.startsWith("tcp:")), [
    `tcp://name.example:${server.port}`,
    `tcp://127.0.0.1:${server.port}`,
    `tcp://127.0.0.1:${server.port}`,
  ]);
});

Deno.test("A tunnel that is no longer allowed is closed at once, with the receipt in the report", async () => {
  await using server = await echo();
  const gate = new TestGate();
  await using proxy = await TestProxy.start({ gate });
  await using kept = await Wire.open(proxy.port);
  kept.send(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\nx`);
  await kept.until("\r\n\r\nx");
  strictEqual(proxy.proxy.recheck(), 0);
  strictEqual(kept.ended, false);
  gate.target = () => false;
  strictEqual(proxy.proxy.recheck(), 1);
  await kept.end(1_000);
  const { phase, end, allowed, receipt } = proxy.last!;
  deepStrictEqual([phase, end, allowed], ["done", "revoked", true]);
  strictEqual(receipt?.rule, "test refuses");
  await eventually(() => server.sockets[0]!.destroyed, "the server's end is closed");
  deepStrictEqual([proxy.proxy.stats.tunnels, proxy.proxy.stats.passages], [0, 0]);
});

Deno.test("A tunnel whose address is no longer allowed, or whose rule expired, is closed without being told", async () => {
  await using server = await echo();
  const gate = new TestGate();
  await using proxy = await TestProxy.start({ gate, limits: { recheckMs: 20 } });
  await using wire = await Wire.open(proxy.port);
  wire.send(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\nx`);
  await wire.until("\r\n\r\nx");
  gate.ip = () => false;
  await wire.end(1_000);
  strictEqual(proxy.last!.end, "revoked");
});

/** Sends without end, head first, as far as it is read. */
const flood = (head: string) =>
  Loopback.raw((socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(new Uint8Array(65536)));
    };
    socket.on("drain", more);
    socket.once("data", () => {
      socket.write(head);
      more();
    });
  });

Deno.test("What an agent does not read is not read for it, and is closed all the same when its rule goes", async () => {
  await using server = await flood("HTTP/1.1 200 OK\r\n\r\n");
  for (const method of ["CONNECT", "GET"]) {
    const gate = new TestGate();
    await using proxy = await TestProxy.start({ gate });
    await using wire = await Wire.open(proxy.port);
    const place = `127.0.0.1:${server.port}`;
    wire.send(`${method} ${method === "GET" ? `http://${place}/` : place} HTTP/1.1\r\nHost: x\r\n\r\nx`);
    await wire.until("\r\n\r\n");
    wire.socket.pause();
    const upstream = server.sockets.at(-1)!;
    let before = -1;
    let same = 0;
    await eventually(() => {
      same = before === upstream.bytesWritten ? same + 1 : 0;
      before = upstream.bytesWritten;
      return same === 20;
    }, `${method}: the server is not read from any more`);
    // What was taken is what the socket buffers hold, not what the server would send.
    ok(before < 64 * 1024 * 1024, `${before} bytes were taken`);
    strictEqual(proxy.proxy.stats.passages, 1);
    gate.target = () => false;
    strictEqual(proxy.proxy.recheck(), 1);
    await eventually(
      () => proxy.proxy.stats.connections === 0,
      `${method}: the agent's end is closed`,
      1_000,
    );
    strictEqual(proxy.last!.end, "revoked");
  }
});

Deno.test("What is taken back while connecting gets no byte through", async () => {
  await using server = await echo();
  for (const method of ["CONNECT", "GET"]) {
    const gate = new TestGate();
    let asked = 0;
    gate.ip = () => ++asked === 1;
    await using proxy = await TestProxy.start({ gate });
    const place = `127.0.0.1:${server.port}`;
    const target = method === "GET" ? `http://${place}/` : place;
    const answer = await exchange(proxy.port, `${method} ${target} HTTP/1.1\r\nConnection: close\r\n\r\n`);
    match(answer, /^HTTP\/1\.1 403 /);
    deepStrictEqual([asked, proxy.decisions.length, proxy.last!.end], [2, 1, "revoked"]);
  }
  ok(server.sockets.every((socket) => socket.bytesRead === 0));
});

Deno.test("A plain request under way is refused when its rule goes, and answered 403 while it still can be", async () => {
  await using server = await Loopback.raw(() => {}); // never answers
  const gate = new TestGate();
  await using proxy = await TestProxy.start({ gate });
  await using wire = await Wire.open(proxy.port);
  wire.send(`GET http://127.0.0.1:${server.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await eventually(() => server.connections === 1, "the request is under way");
  gate.target = () => false;
  await eventually(() => proxy.proxy.recheck() === 1, "it is closed");
  match(await wire.end(1_000), /^HTTP\/1\.1 403 .*"receipt"/s);
  strictEqual(proxy.last!.end, "revoked");
});

Deno.test("What does not move is closed, tunnel and connection and half a head alike", async () => {
  await using server = await echo();
  await using proxy = await TestProxy.start({
    limits: { idleMs: 60, recheckMs: 20, keepAliveMs: 60, headMs: 60 },
  });
  await using tunnel = await Wire.open(proxy.port);
  tunnel.send(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`);
  await tunnel.until("\r\n\r\n");
  await using silent = await Wire.open(proxy.port);
  await using socks = await Wire.open(proxy.port);
  socks.send("\x05\x02");
  await using slow = await Wire.open(proxy.port);
  slow.send("GET http://example.com/ HT");
  // A byte now and then does not extend the deadline of a head.
  const drip = setInterval(() => slow.socket.writable && slow.send("x"), 10);
  try {
    match(await slow.end(1_000), /^HTTP\/1\.1 408 /);
  } finally {
    clearInterval(drip);
  }
  for (const wire of [tunnel, silent, socks]) await wire.end(1_000);
  match(
    proxy.decisions.find(({ kind, phase }) => kind === "connect" && phase === "done")!.end,
    /nothing moved/,
  );
});

Deno.test("Too many tunnels are refused with 503, too many connections are closed, and both recover", async () => {
  await using server = await echo();
  await using proxy = await TestProxy.start({ limits: { tunnels: 1, connections: 2 } });
  const connect = `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`;
  {
    await using first = await Wire.open(proxy.port);
    first.send(connect);
    await first.until("200");
    match(await exchange(proxy.port, connect), /^HTTP\/1\.1 503 /);
    await eventually(() => proxy.proxy.stats.connections === 1, "the refused one is gone");
    await using second = await Wire.open(proxy.port);
    await eventually(() => proxy.proxy.stats.connections === 2, "two are open");
    await using third = await Wire.open(proxy.port);
    strictEqual(await third.end(1_000), "");
    strictEqual(proxy.proxy.stats.turnedAway, 1);
    strictEqual(second.ended, false);
  }
  await eventually(() => proxy.proxy.stats.connections === 0, "all are gone");
  await using again = await Wire.open(proxy.port);
  again.send(connect);
  await again.until("200");
});
