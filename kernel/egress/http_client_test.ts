import { deepStrictEqual, doesNotMatch, match, ok, rejects, strictEqual } from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import type { Decision } from "./decision.ts";
import { EgressError } from "./errors.ts";
import { eventually, Loopback, tableResolver, TestGate } from "./fixtures_test.ts";
import { headerObject } from "./headers.ts";
import { request, requestStream } from "./http_client.ts";
import type { HttpRequest } from "./http_request.ts";
import { CA, CERTIFICATE, KEY } from "./tls_fixture_test.ts";

const serve = (handler: (request: IncomingMessage, response: ServerResponse) => void) =>
  Loopback.start(createServer(handler));

/** Answers with what it was asked, as JSON. */
const mirror = (from: IncomingMessage, to: ServerResponse) => {
  let body = "";
  from.on("data", (bytes) => body += bytes);
  from.on(
    "end",
    () => to.end(JSON.stringify({ method: from.method, url: from.url, headers: from.headers, body })),
  );
};

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const fails = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof EgressError && error.code === code && message.test(error.message);

Deno.test("A request that is no request is refused before anything is asked or sent", async () => {
  const gate = new TestGate();
  const base = "http://127.0.0.1:9/";
  const cases: [Partial<HttpRequest>, string, RegExp][] = [
    [{ url: "file:///etc/passwd" }, "bad_request", /only http and https/],
    [{ url: "http://allowed:x@127.0.0.1/" }, "bad_request", /a user before the host/],
    [{ method: "GET / HTTP/1.1\r\nX: 1" }, "bad_request", /no token/],
    [{ method: "" }, "bad_request", /no token/],
    [{ method: "TRACE" }, "bad_request", /not sent/],
    [{ method: "connect" }, "bad_request", /not sent/],
    [{ headers: { "X": "a\r\nY: b" } }, "bad_request", /control character/],
    [{ headers: { "X": "a\nb" } }, "bad_request", /control character/],
    [{ headers: { "X": "a\0" } }, "bad_request", /control character/],
    [{ headers: { "X": "\u2028" } }, "bad_request", /not Latin-1/],
    [{ headers: { "X Y": "a" } }, "bad_request", /no token/],
    [{ headers: { "": "a" } }, "bad_request", /no token/],
    [{ headers: { "X:": "a" } }, "bad_request", /no token/],
    [{ headers: { host: "other.example" } }, "bad_request", /the URL says/],
    [{ headers: { "X": "a".repeat(40_000) } }, "limit", /the limit is 32768/],
    [
      { headers: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x${i}`, ""])) },
      "limit",
      /101 headers/,
    ],
    [{ body: "x".repeat(8 * 1024 * 1024 + 1), method: "PUT" }, "limit", /the limit is 8388608/],
    [{ timeoutMs: 0 }, "bad_request", /timeoutMs/],
    [{ timeoutMs: 1e9 }, "bad_request", /timeoutMs/],
    [{ redirects: -1 }, "bad_request", /redirects/],
    [{ maxBytes: NaN }, "bad_request", /maxBytes/],
  ];
  for (const [change, code, message] of cases) {
    await rejects(
      request({ url: base, ...change }, gate),
      fails(code, message),
      JSON.stringify(change).slice(0, 80),
    );
  }
  deepStrictEqual(gate.asked, []);
});

Deno.test("A refused request carries its receipt, and its name is never resolved", async () => {
  const resolver = tableResolver({});
  const decisions: Decision[] = [];
  const hooks = { resolver, onDecision: (decision: Decision) => decisions.push(decision) };
  await rejects(
    request({ url: "http://refused.example/a?token=1" }, new TestGate(() => false), hooks),
    (error) =>
      error instanceof EgressError && error.code === "denied" &&
      error.receipt?.missing === "net:http://refused.example/a",
  );
  deepStrictEqual(resolver.asked, []);
  deepStrictEqual(decisions.map(({ allowed, end, target }) => [allowed, end, target]), [
    [false, "refused", "http://refused.example/a"],
  ]);
});

Deno.test("Status, headers and body are the server's own, and quotes are just characters", async () => {
  await using server = await serve((from, to) => {
    to.statusCode = from.url!.startsWith("/missing") ? 404 : 200;
    to.setHeader("Set-Cookie", ["a=1, 2", "b=3"]);
    mirror(from, to);
  });
  const url = `http://127.0.0.1:${server.port}`;
  const evil = `'; touch /tmp/x; echo "$(id)" \`id\``;
  const decisions: Decision[] = [];
  const answer = await request(
    {
      url: `${url}/missing?q='"`,
      method: "POST",
      headers: { "X-Evil": evil },
      body: `"${evil}é`,
    },
    new TestGate(),
    { agent: 3, onDecision: (decision) => decisions.push(decision) },
  );
  deepStrictEqual([answer.status, answer.reason], [404, "Not Found"]);
  const seen = JSON.parse(text(answer.body));
  deepStrictEqual([seen.method, seen.url, seen.headers["x-evil"], seen.body], [
    "POST",
    "/missing?q=%27%22",
    evil,
    `"${evil}é`,
  ]);
  strictEqual(seen.headers.host, `127.0.0.1:${server.port}`);
  strictEqual(headerObject(answer.headers)["set-cookie"], "a=1, 2\nb=3");
  strictEqual(answer.finalUrl, `${url}/missing?q=%27%22`);
  const { agent, kind, status, bytesDown, bytesUp } = decisions[0]!;
  deepStrictEqual([agent, kind, status, bytesDown, bytesUp], [
    3,
    "request",
    404,
    answer.bytes,
    evil.length + 3,
  ]);
});

Deno.test("No proxy from the environment is used", async () => {
  await using server = await serve(mirror);
  await using trap = await serve((_, to) => to.end("trap"));
  const before = Deno.env.get("HTTP_PROXY");
  Deno.env.set("HTTP_PROXY", `http://127.0.0.1:${trap.port}`);
  try {
    await request({ url: `http://127.0.0.1:${server.port}/` }, new TestGate());
  } finally {
    if (before === undefined) Deno.env.delete("HTTP_PROXY");
    else Deno.env.set("HTTP_PROXY", before);
  }
  deepStrictEqual([server.connections, trap.connections], [1, 0]);
});

Deno.test("A redirect is handed over unless it is asked for, and every hop is decided", async () => {
  await using server = await serve((from, to) => {
    if (from.url === "/start") to.writeHead(302, { location: "/next?a=1#f" }).end("moved");
    else if (from.url === "/out") to.writeHead(307, { location: "http://inner.example/" }).end();
    else if (from.url === "/file") to.writeHead(301, { location: "file:///etc/passwd" }).end();
    else if (from.url === "/user") to.writeHead(301, { location: "http://a:b@127.0.0.1/" }).end();
    else if (from.url === "/loop") to.writeHead(302, { location: "/loop" }).end();
    else mirror(from, to);
  });
  const url = `http://127.0.0.1:${server.port}`;
  const gate = new TestGate((target) => !target.includes("inner.example"));
  strictEqual((await request({ url: `${url}/start` }, gate)).status, 302);
  const followed = await request({ url: `${url}/start`, redirects: 1 }, gate);
  deepStrictEqual([followed.status, followed.finalUrl, followed.redirects], [200, `${url}/next?a=1`, 1]);
  await rejects(request({ url: `${url}/out`, redirects: 5 }, gate), fails("denied", /inner\.example/));
  await rejects(
    request({ url: `${url}/file`, redirects: 5 }, gate),
    fails("bad_request", /only http and https/),
  );
  await rejects(request({ url: `${url}/user`, redirects: 5 }, gate), fails("bad_request", /a user before/));
  await rejects(request({ url: `${url}/loop`, redirects: 3 }, gate), fails("limit", /more than 3 redirects/));
});

Deno.test("A redirect keeps or drops method and body as RFC 9110 says", async () => {
  await using server = await serve((from, to) => {
    const status = Number(from.url!.slice(1));
    if (status > 0) to.writeHead(status, { location: "/" }).end();
    else mirror(from, to);
  });
  const cases: [number, string, string, string][] = [
    [301, "POST", "GET", ""],
    [302, "POST", "GET", ""],
    [303, "POST", "GET", ""],
    [303, "PUT", "GET", ""],
    [301, "PUT", "PUT", "body"],
    [302, "PATCH", "PATCH", "body"],
    [307, "POST", "POST", "body"],
    [308, "POST", "POST", "body"],
  ];
  for (const [status, method, then, body] of cases) {
    const url = `http://127.0.0.1:${server.port}/${status}`;
    const headers = { "content-type": "text/x" };
    const answer = await request({ url, method, body: "body", headers, redirects: 1 }, new TestGate());
    const seen = JSON.parse(text(answer.body));
    deepStrictEqual([seen.method, seen.body], [then, body], `${status} ${method}`);
    strictEqual(seen.headers["content-type"], body === "" ? undefined : "text/x");
  }
});

Deno.test("Credentials and secrets do not follow to another origin, and do not come back", async () => {
  await using server = await serve((from, to) => {
    if (from.url === "/same") to.writeHead(302, { location: "/" }).end();
    else if (from.url === "/away") {
      to.writeHead(302, { location: `http://other.example:${server.port}/back` }).end();
    } else if (from.url === "/back") {
      to.writeHead(302, { location: `http://127.0.0.1:${server.port}/` }).end();
    } else mirror(from, to);
  });
  const hooks = {
    resolver: tableResolver({ "other.example": ["127.0.0.1"] }),
    substitute: (value: string, { host }: { host: string }) =>
      host === "127.0.0.1" ? value.replace("{{key}}", "real") : value,
  };
  const headers = { authorization: "a", cookie: "c", "X-API-Key": "k", "x-mine": "{{key}}", "x-plain": "p" };
  const seen = async (path: string) => {
    const url = `http://127.0.0.1:${server.port}${path}`;
    const sent =
      JSON.parse(text((await request({ url, headers, redirects: 3 }, new TestGate(), hooks)).body)).headers;
    return [sent.authorization, sent.cookie, sent["x-api-key"], sent["x-mine"], sent["x-plain"]];
  };
  deepStrictEqual(await seen("/same"), ["a", "c", "k", "real", "p"]);
  deepStrictEqual(await seen("/away"), [undefined, undefined, undefined, undefined, "p"]);
});

Deno.test("Bodies are decoded from gzip, deflate and br, and left alone where nobody asked for that", async () => {
  const plain = "plain ".repeat(10_000);
  await using server = await serve((from, to) => {
    const encoding = from.url!.slice(1);
    const bytes = {
      gzip: gzipSync,
      deflate: deflateSync,
      raw: deflateRawSync,
      br: brotliCompressSync,
    }[encoding]!(plain);
    to.writeHead(200, { "content-encoding": encoding === "raw" ? "deflate" : encoding }).end(bytes);
  });
  for (const encoding of ["gzip", "deflate", "raw", "br"]) {
    const url = `http://127.0.0.1:${server.port}/${encoding}`;
    const answer = await request({ url }, new TestGate());
    strictEqual(text(answer.body), plain, encoding);
    strictEqual(answer.decoded, encoding === "raw" ? "deflate" : encoding);
    ok(answer.bytes < 2_000);
    strictEqual((await request({ url, decode: false }, new TestGate())).body.length, answer.bytes);
  }
});

Deno.test("A body is stopped at its limit, also where few bytes become many, and broken ones fail", async () => {
  const zeros = new Uint8Array(64 * 1024 * 1024);
  const bombs: Record<string, Uint8Array> = { gzip: gzipSync(zeros), br: brotliCompressSync(zeros) };
  await using server = await serve((from, to) => {
    if (from.url === "/long") to.writeHead(200, { "content-length": 1e12 }).write("x");
    else if (from.url === "/endless") {
      const more = () => {
        while (!to.destroyed && to.write("x".repeat(65536)));
      };
      to.on("drain", more);
      more();
    } else if (from.url === "/broken") to.writeHead(200, { "content-encoding": "gzip" }).end("no gzip");
    else if (from.url === "/cut") {
      to.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("abc").subarray(0, 12));
    } else to.writeHead(200, { "content-encoding": from.url!.slice(1) }).end(bombs[from.url!.slice(1)]);
  });
  const get = (path: string) =>
    request({ url: `http://127.0.0.1:${server.port}${path}`, maxBytes: 100_000 }, new TestGate());
  for (const path of ["/long", "/endless", "/gzip", "/br"]) {
    await rejects(get(path), fails("limit", /more than 100000 bytes/), path);
  }
  for (const path of ["/broken", "/cut"]) {
    await rejects(get(path), fails("unavailable", /decode a body as gzip/), path);
  }
});

Deno.test("Time is up for a server that never answers, drips, or never ends, and a caller can stop it", async () => {
  await using server = await serve((from, to) => {
    if (from.url === "/drip") {
      to.writeHead(200);
      const timer = setInterval(() => to.write("x"), 10);
      to.on("close", () => clearInterval(timer));
    }
  });
  const url = `http://127.0.0.1:${server.port}`;
  await rejects(
    request({ url: `${url}/never`, timeoutMs: 60 }, new TestGate()),
    fails("timeout", /no end in 60 ms/),
  );
  await rejects(
    request({ url: `${url}/drip`, timeoutMs: 60 }, new TestGate()),
    fails("timeout", /no end in 60 ms/),
  );
  const stop = new AbortController();
  const stopped = rejects(
    request({ url: `${url}/never`, signal: stop.signal }, new TestGate()),
    fails("cancelled", /was cancelled/),
  );
  await eventually(() => server.connections === 3, "the third request has arrived");
  stop.abort();
  await stopped;
  await rejects(
    request({ url, signal: AbortSignal.abort() }, new TestGate()),
    fails("cancelled", /was cancelled/),
  );
  await eventually(() => server.sockets.every(({ destroyed }) => destroyed), "no connection stays behind");
});

Deno.test("A stream hands bytes over as they come, and stops when what allowed it goes", async () => {
  let send = (_: string) => {};
  await using server = await serve((_, to) => {
    to.writeHead(200);
    send = (piece) => to.write(piece);
    send("one");
  });
  const gate = new TestGate();
  const decisions: Decision[] = [];
  const stream = await requestStream({ url: `http://127.0.0.1:${server.port}/` }, gate, {
    onDecision: (decision) => decisions.push(decision),
  });
  const pieces = stream.body[Symbol.asyncIterator]();
  strictEqual(text((await pieces.next()).value!), "one");
  gate.target = () => false;
  send("two");
  await rejects(pieces.next(), fails("denied", /the test says no/));
  deepStrictEqual(decisions.map(({ end, allowed, bytesDown }) => [end, allowed, bytesDown]), [[
    "revoked",
    true,
    6,
  ]]);
  await eventually(() => server.sockets[0]!.destroyed, "the connection is closed");
});

Deno.test("A stream that nobody reads ends when it is closed, or at its deadline", async () => {
  await using server = await serve((_, to) => to.writeHead(200).write("x"));
  const url = `http://127.0.0.1:${server.port}/`;
  (await requestStream({ url }, new TestGate())).close();
  await requestStream({ url, timeoutMs: 60 }, new TestGate());
  await eventually(() => server.sockets.every(({ destroyed }) => destroyed), "both connections are closed");
});

Deno.test("An answer that contradicts itself is no answer", async () => {
  for (
    const answer of [
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n",
      "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      "HTTP/1.1 101 Switching\r\n\r\n",
      "HTTP/1.1 103 Hints\r\n\r\n".repeat(20),
      "HTTP/2 200\r\n\r\n",
      `HTTP/1.1 200 OK\r\nX: ${"a".repeat(40_000)}\r\n\r\n`,
      "",
    ]
  ) {
    await using server = await Loopback.saying(answer);
    await rejects(
      request({ url: `http://127.0.0.1:${server.port}/` }, new TestGate()),
      fails("unavailable", /^Cannot (read the answer of|exchange with) http:/),
      answer.slice(0, 80),
    );
  }
});

Deno.test("An answer counts even where the server does not read the whole request", async () => {
  await using server = await Loopback.raw((socket) => {
    socket.once("data", () => socket.write("HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n"));
  });
  const url = `http://127.0.0.1:${server.port}/`;
  const answer = await request(
    { url, method: "POST", body: new Uint8Array(8 * 1024 * 1024) },
    new TestGate(),
  );
  strictEqual(answer.status, 413);
});

Deno.test("TLS proves the name that was asked for, at the address that was checked", async () => {
  await using server = await Loopback.start(createTlsServer({ key: KEY, cert: CERTIFICATE }, mirror));
  const resolver = tableResolver({ "api.example.test": ["127.0.0.1"], "other.example.test": ["127.0.0.1"] });
  const get = (host: string, ca?: string[]) =>
    request({ url: `https://${host}:${server.port}/` }, new TestGate(), { resolver, ca });
  await rejects(get("api.example.test"), fails("unavailable", /UNABLE_TO_VERIFY|SELF_SIGNED|UnknownIssuer/));
  await rejects(get("other.example.test", [CA]), fails("unavailable", /ALTNAME|NotValidForName/));
  for (const host of ["api.example.test", "127.0.0.1"]) {
    const seen = JSON.parse(text((await get(host, [CA])).body));
    strictEqual(seen.headers.host, `${host}:${server.port}`);
  }
});

Deno.test("A secret is put in for its place only, and no error or report shows it", async () => {
  await using server = await serve(mirror);
  const decisions: Decision[] = [];
  const places: string[] = [];
  let real = "s3cret";
  const get = () =>
    request(
      { url: `http://127.0.0.1:${server.port}/`, headers: { "X-Key": "{{key}}", "X-Other": "{{key}}" } },
      new TestGate(),
      {
        onDecision: (decision) => decisions.push(decision),
        substitute: (value, { scheme, host, method, header }) => {
          places.push(`${scheme} ${host} ${method} ${header}`);
          return header === "x-key" ? value.replace("{{key}}", real) : value;
        },
      },
    );
  const { headers } = JSON.parse(text((await get()).body));
  deepStrictEqual([headers["x-key"], headers["x-other"]], ["s3cret", "{{key}}"]);
  ok(places.includes("http 127.0.0.1 GET x-key"));
  real = "s3cret\r\nX-More: 1";
  const error = await get().then(() => null, (error: unknown) => error);
  ok(fails("bad_request", /secret into the header "x-key"/)(error));
  doesNotMatch(String((error as Error).stack) + JSON.stringify(decisions), /s3cret/);
  match(decisions.at(-1)!.end, /Cannot put a secret/);
});
