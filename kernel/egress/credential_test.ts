import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Credential } from "./credential.ts";
import { ConnectionClosed, EgressError } from "./errors.ts";
import { isConnectionFault } from "./faults.ts";
import { exchange, Loopback, TestProxy } from "./fixtures_test.ts";

const credential = () => new Credential("agent", "a1b2c3");
const basic = (text: string) => `Proxy-Authorization: Basic ${btoa(text)}\r\n`;

Deno.test("a proxy with a credential serves nobody without it, and does not send it on", async () => {
  await using server = await Loopback.saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  await using proxy = await TestProxy.start({ credential: credential() });
  const ask = (headers: string, line = `GET http://127.0.0.1:${server.port}/`) =>
    exchange(proxy.port, `${line} HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`);
  const wrong = [
    "",
    basic("agent:"),
    basic("agent:a1b2c4"),
    basic("other:a1b2c3"),
    basic("agenta1b2c3"),
    "Proxy-Authorization: Bearer a1b2c3\r\n",
    "Proxy-Authorization: Basic ???\r\n",
  ];
  for (const headers of wrong) {
    match(await ask(headers), /^HTTP\/1\.1 407 .*\r\nproxy-authenticate: Basic realm="clove"\r\n/s, headers);
    match(await ask(headers, `CONNECT 127.0.0.1:${server.port}`), /^HTTP\/1\.1 407 /, headers);
  }
  strictEqual(server.connections, 0);
  ok(proxy.decisions.every(({ allowed }) => !allowed));
  match(await ask(basic("agent:a1b2c3")), /ok$/);
  strictEqual(server.heard[0]!.toLowerCase().includes("proxy-authorization"), false);
});

Deno.test("over SOCKS5 the credential is asked for as user and password", async () => {
  await using server = await Loopback.saying("hello");
  await using proxy = await TestProxy.start({ credential: credential() });
  const { port } = server;
  const request = `\x05\x01\x00\x01\x7f\x00\x00\x01${String.fromCharCode(port >> 8, port & 255)}`;
  const login = (user: string, password: string) =>
    `\x01${String.fromCharCode(user.length)}${user}${String.fromCharCode(password.length)}${password}`;
  deepStrictEqual(await exchange(proxy.port, `\x05\x01\x00${request}`), "\x05\xff");
  deepStrictEqual(
    await exchange(proxy.port, `\x05\x01\x02${login("agent", "wrong")}${request}`),
    "\x05\x02\x01\x01",
  );
  strictEqual(server.connections, 0);
  const answer = await exchange(proxy.port, `\x05\x02\x00\x02${login("agent", "a1b2c3")}${request}x\r\n\r\n`);
  ok(answer.startsWith("\x05\x02\x01\x00\x05\x00") && answer.endsWith("hello"), JSON.stringify(answer));
});

Deno.test("what a connection brings about is told from a mistake of ours, which is reported", async () => {
  const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  for (const error of [reset, new ConnectionClosed(), new EgressError("limit", "x")]) {
    ok(isConnectionFault(error));
  }
  for (const error of [new TypeError("x"), new Error("x"), null]) ok(!isConnectionFault(error));
  const faults: unknown[] = [];
  await using server = await Loopback.saying("never");
  await using proxy = await TestProxy.start({
    onFault: (error) => faults.push(error),
    onDecision: () => {
      throw new RangeError("a mistake");
    },
  });
  await exchange(proxy.port, `GET file:///x HTTP/1.1\r\nHost: x\r\n\r\n`);
  strictEqual(server.connections, 0);
  deepStrictEqual(faults.map((error) => (error as Error).name), ["RangeError"]);
});
