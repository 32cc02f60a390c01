import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { LAST_CHUNK, readBody, writePiece } from "./body.ts";
import { ByteReader, ByteWriter, HeadError } from "./bytes.ts";
import { endToEnd, headerObject, keepsAlive } from "./headers.ts";
import {
  type Framing,
  HttpSyntaxError,
  parseRequestHead,
  parseResponseHead,
  requestFraming,
  responseFraming,
} from "./http1.ts";

/** A socket that delivers these pieces, each by itself, and then ends. */
function delivering(...pieces: (string | Uint8Array)[]): Duplex {
  const queue = pieces.map((piece) =>
    typeof piece === "string" ? Uint8Array.from(piece, (c) => c.charCodeAt(0)) : piece
  );
  return new Duplex({
    read() {
      setImmediate(() => this.push(queue.shift() ?? null));
    },
    write(_chunk, _encoding, done) {
      done();
    },
  });
}

const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);

async function bodyOf(framing: Framing, ...pieces: string[]): Promise<string> {
  let text = "";
  for await (const piece of readBody(new ByteReader(delivering(...pieces)), framing)) text += latin1(piece);
  return text;
}

const status = (expected: number) => (error: unknown) =>
  (error instanceof HttpSyntaxError || error instanceof HeadError) && error.status === expected;

Deno.test("A head that is not strict HTTP/1 is refused", () => {
  for (
    const [head, code] of [
      ["", 400],
      ["GET /", 400],
      ["GET  / HTTP/1.1", 400],
      ["GET\t/ HTTP/1.1", 400],
      ["GET / HTTP/1.1 ", 400],
      [" GET / HTTP/1.1", 400],
      ["G(T / HTTP/1.1", 400],
      ["GET /\x80 HTTP/1.1", 400],
      ["GET /\0 HTTP/1.1", 400],
      ["GET / http/1.1", 400],
      ["GET / HTTP/1.10", 400],
      ["GET / HTTP/2.0", 505],
      [`${"G".repeat(33)} / HTTP/1.1`, 400],
      ["GET / HTTP/1.1\r\nHost : x", 400],
      ["GET / HTTP/1.1\r\n: x", 400],
      ["GET / HTTP/1.1\r\nno colon", 400],
      ["GET / HTTP/1.1\r\nX: 1\r\n folded", 400],
      ["GET / HTTP/1.1\r\nX: 1\r\n\tfolded", 400],
      ["GET / HTTP/1.1\r\n X: 1", 400],
      ["GET / HTTP/1.1\r\nX: a\rb", 400],
      ["GET / HTTP/1.1\r\nX: a\0b", 400],
      ["GET / HTTP/1.1\r\nX\x80: a", 400],
      ["GET / HTTP/1.1" + "\r\nX: 1".repeat(101), 431],
    ] as const
  ) throws(() => parseRequestHead(head), status(code), JSON.stringify(head.slice(0, 60)));
  const head = parseRequestHead("get http://x/ HTTP/1.0\r\nX:  a b \t\r\nx:\r\n__proto__: 1");
  deepStrictEqual(head, {
    method: "get",
    target: "http://x/",
    minor: 0,
    headers: [["X", "a b"], ["x", ""], ["__proto__", "1"]],
  });
  strictEqual(JSON.stringify(headerObject(head.headers)), '{"x":"a b, ","__proto__":"1"}');
  strictEqual(parseRequestHead("GET / HTTP/1.1" + "\r\nX: 1".repeat(100)).headers.length, 100);
});

Deno.test("A request whose end is not certain is refused", () => {
  const framing = (headers: string, version = "1.1") =>
    requestFraming(parseRequestHead(`POST / HTTP/${version}\r\n${headers}`));
  for (
    const [headers, code] of [
      ["Content-Length: 1\r\nTransfer-Encoding: chunked", 400],
      ["Transfer-Encoding: chunked\r\nContent-Length: 1", 400],
      ["Content-Length: 1\r\nContent-Length: 1", 400],
      ["Content-Length: 1\r\ncontent-length: 2", 400],
      ["Content-Length: 1, 1", 400],
      ["Content-Length: +1", 400],
      ["Content-Length: -1", 400],
      ["Content-Length: 0x1", 400],
      ["Content-Length: 1.0", 400],
      ["Content-Length: ", 400],
      ["Content-Length: 99999999999999999999", 400],
      ["Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400],
      ["Transfer-Encoding: chunked, chunked", 501],
      ["Transfer-Encoding: gzip, chunked", 501],
      ["Transfer-Encoding: identity", 501],
      ["Transfer-Encoding: xchunked", 501],
      ["Transfer-Encoding: ", 501],
    ] as const
  ) throws(() => framing(headers), status(code), headers);
  throws(() => framing("Transfer-Encoding: chunked", "1.0"), status(400));
  deepStrictEqual(framing("Transfer-Encoding: Chunked"), { kind: "chunked" });
  deepStrictEqual(framing("Content-Length: 007"), { kind: "length", length: 7 });
  deepStrictEqual(framing("X: 1"), { kind: "none" });
});

Deno.test("A response ends as its status and method say", () => {
  const framing = (line: string, headers: string, method = "GET") =>
    responseFraming(parseResponseHead(`${line}\r\n${headers}`), method).kind;
  strictEqual(framing("HTTP/1.1 200 OK", "Content-Length: 5"), "length");
  strictEqual(framing("HTTP/1.1 200 OK", "Content-Length: 5", "HEAD"), "none");
  strictEqual(framing("HTTP/1.1 204", "Content-Length: 5"), "none");
  strictEqual(framing("HTTP/1.1 304 Not Modified", "Content-Length: 5"), "none");
  strictEqual(framing("HTTP/1.0 200 ", "X: 1"), "close");
  throws(() => framing("HTTP/1.1 204 No", "Content-Length: 5\r\nTransfer-Encoding: chunked"), status(400));
  for (
    const line of [
      "HTTP/1.1 099 x",
      "HTTP/1.1 600 x",
      "HTTP/1.1 20 x",
      "HTTP/1.1 200x",
      "ICY 200 OK",
      "HTTP/1.1  200 OK",
    ]
  ) {
    throws(() => parseResponseHead(line), status(400), line);
  }
});

Deno.test("Headers of one connection stay there, and Connection cannot remove what carries meaning", () => {
  const names = (text: string) =>
    endToEnd(parseRequestHead(`GET / HTTP/1.1\r\n${text}`).headers, ["host"]).map(([name]) => name);
  deepStrictEqual(
    names(
      "Host: x\r\nConnection: close, X-Gone , authorization\r\nx-gone: 1\r\nAuthorization: a\r\nTE: trailers\r\nUpgrade: h2c\r\n" +
        "Keep-Alive: 1\r\nProxy-Authorization: x\r\nProxy-Connection: x\r\nTrailer: x\r\nTransfer-Encoding: chunked\r\nX: 1",
    ),
    ["Authorization", "X"],
  );
  const alive = (text: string, minor: 0 | 1) =>
    keepsAlive(parseRequestHead(`GET / HTTP/1.1\r\n${text}`).headers, minor);
  deepStrictEqual(
    [
      alive("X: 1", 1),
      alive("Connection: x, Close", 1),
      alive("X: 1", 0),
      alive("Connection: keep-alive", 0),
    ],
    [true, false, false, true],
  );
});

Deno.test("A reader refuses lines without CR and heads without end, and gives what follows to whoever reads next", async () => {
  const head = (most: number, ...pieces: string[]) => new ByteReader(delivering(...pieces)).head(most);
  await rejects(head(100, "GET / HTTP/1.1\n\n"), status(400));
  await rejects(head(100, "\n"), status(400));
  await rejects(head(100, "GET / HTTP/1.1\r\nX: 1\n\r\n"), status(400));
  await rejects(head(100, "a".repeat(101)), status(431));
  await rejects(head(100, "a\r\n".repeat(40)), status(431));
  await rejects(head(100, "a".repeat(98) + "\r\n\r\n"), status(431));
  await rejects(head(100, "GET / HT"), status(400));
  strictEqual(await head(100), null);
  const reader = new ByteReader(delivering(..."GET / HTTP/1.1\r\nX: 1\r\n\r\n\r\nbody!"));
  strictEqual(await reader.head(100), "GET / HTTP/1.1\r\nX: 1");
  strictEqual(await reader.head(100), "");
  strictEqual(await reader.peek(), 98);
  strictEqual(latin1((await reader.exactly(4))!), "body");
  strictEqual(latin1((await reader.take(5))!), "!");
  strictEqual(await reader.take(), null);
  strictEqual(await reader.peek(), null);
});

Deno.test("Malformed chunks are refused", async () => {
  for (
    const [text, code] of [
      ["g\r\n", 400],
      ["\r\n", 400],
      ["-1\r\n", 400],
      ["0x1\r\na\r\n0\r\n\r\n", 400],
      [" 1\r\na\r\n0\r\n\r\n", 400],
      ["1 \r\na\r\n0\r\n\r\n", 400],
      ["1\na\n0\n\n", 400],
      ["1\r\nab\r\n0\r\n\r\n", 400],
      ["1\r\na\n\n0\r\n\r\n", 400],
      ["2\r\na", 400],
      ["1\r\na\r\n", 400],
      ["1\r\na\r\n0\r\n", 400],
      ["100000000\r\n", 400],
      [`1;${"x".repeat(300)}\r\na\r\n0\r\n\r\n`, 431],
      ["1;a\0b\r\na\r\n0\r\n\r\n", 400],
      ["0\r\n folded: 1\r\n\r\n", 400],
      ["0\r\n" + "X: 1\r\n".repeat(102) + "\r\n", 431],
    ] as const
  ) await rejects(bodyOf({ kind: "chunked" }, text), status(code), JSON.stringify(text.slice(0, 40)));
  await rejects(bodyOf({ kind: "length", length: 3 }, "ab"), status(400));
  strictEqual(
    await bodyOf({ kind: "chunked" }, ...'1;a="b"\r\na\r\n0002\r\nbc\r\n0;x\r\nX: 1\r\n\r\n'),
    "abc",
  );
});

Deno.test("What is written in chunks is read back, however it is cut", async () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(bytes, { maxLength: 5 }),
      fc.array(fc.nat(700), { maxLength: 6 }),
      async (pieces, cuts) => {
        const written: Uint8Array[] = [];
        const writer = new ByteWriter(
          new Duplex({
            read() {},
            write(chunk: Uint8Array, _encoding, done) {
              written.push(Uint8Array.from(chunk));
              done();
            },
          }),
        );
        for (const piece of pieces) await writePiece(writer, piece, true);
        await writer.write(LAST_CHUNK);
        const wire = written.map(latin1).join("") + "next";
        const at = [0, ...cuts.map((cut) => cut % wire.length).sort((a, b) => a - b), wire.length];
        const cut = at.slice(1).map((end, index) => wire.slice(at[index], end)).filter((text) => text !== "");
        const reader = new ByteReader(delivering(...cut));
        let text = "";
        for await (const piece of readBody(reader, { kind: "chunked" })) text += latin1(piece);
        strictEqual(text, pieces.map(latin1).join(""));
        strictEqual(latin1((await reader.exactly(4))!), "next");
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("Whatever comes as a head, it is parsed into something strict or refused in our words", () => {
  const piece = fc.constantFrom(
    "GET",
    " ",
    "/",
    "HTTP/1.1",
    "\r\n",
    "\n",
    "\r",
    ":",
    "X",
    "Content-Length",
    "1",
    "chunked",
    "Transfer-Encoding",
    "\0",
    "\t",
    ",",
    "\xff",
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 30 }).map((parts) => parts.join("")),
    fc.array(piece, { maxLength: 30 }).map((parts) => `GET / HTTP/1.1\r\n${parts.join("")}`),
    fc.uint8Array({ maxLength: 200 }).map(latin1),
  );
  let parsed = 0;
  fc.assert(
    fc.property(text, (text) => {
      try {
        const head = parseRequestHead(text);
        requestFraming(head);
        parsed++;
        for (const [name, value] of head.headers) ok(!/[\r\n\0]/.test(name + value));
      } catch (error) {
        ok(error instanceof HttpSyntaxError, String(error));
      }
    }),
    { numRuns: 5_000, seed: 1 },
  );
  ok(parsed > 0, "Some of it is valid");
});
