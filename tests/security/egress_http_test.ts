import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { Rig, Target } from "./egress_fixture.ts";

/** An operator's connection that has the rules of a level, which is what an agent of that level has. */
async function call(
  rig: Rig,
  rules: string[],
  request: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const { kernel } = rig;
  const before = new Set([...kernel.services.principals.all()]);
  await using clove = await connect({ transport: kernel.connect({ level: "minimal" }) });
  const [caller] = [...kernel.services.principals.all()].filter((principal) => !before.has(principal));
  const { Policy } = await import("../../permissions/mod.ts");
  caller!.authority.replace(Policy.parse(rules));
  try {
    return { ...await clove.net.http(request as never) };
  } catch (error) {
    const { code, message, receipt } = error as { code: string; message: string; receipt?: unknown };
    return { success: false, code, error: message, receipt };
  }
}

Deno.test("each refusal has the original's words and a receipt", async () => {
  await using target = await Target.start();
  await using rig = await Rig.start({ sandbox: false });
  const { port } = target;
  const url = `http://127.0.0.1:${port}/a`;
  const cases: [string[], Record<string, unknown>, string, RegExp][] = [
    [["net:*"], {}, "bad_request", /^URL required$/],
    [["net:*"], { url: "" }, "bad_request", /^URL required$/],
    [["net:*"], { url: "nonsense" }, "bad_request", /^invalid request: /],
    [["ipc:*"], { url }, "denied", /^Permission denied: HTTP not allowed: /],
    [
      [`net:http://127.0.0.1:${port} GET`],
      { url, method: "DELETE" },
      "denied",
      /^Permission denied: HTTP method not allowed: /,
    ],
    [["net:example.com"], { url }, "denied", /^Permission denied: domain not in whitelist: 127\.0\.0\.1: /],
    [
      [`net:http://127.0.0.1:${port} GET /b/**`],
      { url },
      "denied",
      /^Permission denied: domain not in whitelist: 127\.0\.0\.1: /,
    ],
    [
      ["net:http://127.0.0.1:9"],
      { url: "http://127.0.0.1:9/" },
      "unavailable",
      /^Failed to execute HTTP request: /,
    ],
  ];
  for (const [rules, request, code, error] of cases) {
    const answer = await call(rig, rules, request);
    strictEqual(answer.code, code, JSON.stringify([request, answer]));
    match(String(answer.error), error);
    strictEqual(
      code === "denied",
      answer.receipt !== undefined && answer.receipt !== null,
      String(answer.error),
    );
  }
  deepStrictEqual(target.heard, []);
});

Deno.test("nothing in a request becomes anything but what it is: no shell, no second header, no second request", async () => {
  await using target = await Target.start();
  await using rig = await Rig.start({ sandbox: false });
  const rules = [`net:http://127.0.0.1:${target.port}`];
  const url = `http://127.0.0.1:${target.port}/$(touch%20x);'"`;
  const marker = `${rig.dir}/touched`;
  for (
    const request of [
      { url, headers: { "x-a": "1\r\nx-b: 2" } },
      { url, headers: { "x-a: 1\r\nx-b": "2" } },
      { url, headers: { "host": "other.example" } },
      { url, method: "GET / HTTP/1.1\r\nx: y" },
      { url, method: "TRACE" },
      { url, method: "CONNECT" },
    ]
  ) {
    const answer = await call(rig, rules, request);
    strictEqual(answer.code, "bad_request", JSON.stringify(request));
  }
  deepStrictEqual(target.heard, []);
  const quote = `'; touch ${marker} #`;
  const answer = await call(rig, rules, {
    url,
    method: "POST",
    headers: { "x-quote": quote },
    body: quote + "\0\u00e9",
  });
  strictEqual(answer.success, true);
  const heard = target.heard.join("");
  ok(heard.includes(`x-quote: ${quote}\r\n`) && heard.includes("\r\n\r\n" + quote), heard);
  match(heard, /^POST \/\$\(touch%20x\);'%22 HTTP\/1\.1\r\n/);
  strictEqual(heard.match(/HTTP\/1\.1/g)!.length, 1);
  await Deno.lstat(marker).then(() => ok(false, "a shell ran"), () => {});
});

Deno.test("status, headers and bodies are the server's own, and a completed 404 is a success", async () => {
  const binary = "\x00\xff\xfe";
  await using missing = await Target.start(
    "HTTP/1.1 404 Not Found\r\nX-Way: a\r\nx-way: b\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 4\r\n\r\nnope",
  );
  await using rig = await Rig.start({ sandbox: false });
  const answer = await call(rig, ["net:any"], { url: `http://127.0.0.1:${missing.port}/` });
  const { success, status_code, body, bytes, headers } = answer;
  deepStrictEqual([success, status_code, body, bytes], [true, 404, "nope", 4]);
  const { "x-way": way, "set-cookie": cookies } = headers as Record<string, string>;
  deepStrictEqual([way, cookies], ["a, b", "a=1\nb=2"]);

  await using bytesTarget = await Target.start("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd");
  const short = await call(rig, ["net:any"], { url: `http://127.0.0.1:${bytesTarget.port}/`, max_bytes: 3 });
  strictEqual(short.code, "limit");
  match(String(short.error), /^Failed to execute HTTP request: .*more than 3 bytes/);
  const exact = await call(rig, ["net:any"], {
    url: `http://127.0.0.1:${bytesTarget.port}/`,
    base64: true,
    raw: true,
  });
  deepStrictEqual(new TextDecoder().decode(exact.tail as Uint8Array), "abcd");

  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const served = listener.accept().then(async (connection) => {
    const head = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n";
    await connection.write(Uint8Array.from(head + binary, (char) => char.charCodeAt(0)));
    connection.close();
  });
  const lossy = await call(rig, ["net:any"], {
    url: `http://127.0.0.1:${listener.addr.port}/`,
    base64: true,
  });
  await served;
  deepStrictEqual([lossy.binary, lossy.body, lossy.body_base64], [true, "\0\ufffd\ufffd", "AP/+"]);
});

Deno.test("a request that hangs ends with its time, and with its caller", async () => {
  await using silent = await Target.start(null);
  await using rig = await Rig.start({ sandbox: false });
  const url = `http://127.0.0.1:${silent.port}/`;
  const late = await call(rig, ["net:any"], { url, timeout: 0.05 });
  deepStrictEqual([late.code, /in 50 ms/.test(String(late.error))], ["timeout", true]);
  const clove = await connect({ transport: rig.kernel.connect() });
  const pending = clove.net.http({ url }).catch(() => "gone");
  while (silent.heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await clove.close();
  strictEqual(await pending, "gone");
});

Deno.test("a deferred request is refused at once, and its answer is polled", async () => {
  await using target = await Target.start();
  await using rig = await Rig.start({ sandbox: false });
  const url = `http://127.0.0.1:${target.port}/`;
  const refused = await call(rig, ["ipc:*"], { url, async: true });
  strictEqual(refused.code, "denied");
  const accepted = await rig.clove.net.http({ url, async: true });
  strictEqual(accepted.status, "accepted");
  for (;;) {
    const { results } = await rig.clove.async.poll({});
    if (results.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    const { success, opcode_name, result } = results[0] as unknown as Record<string, unknown>;
    deepStrictEqual([success, opcode_name, (result as { body: string }).body], [true, "HTTP", "inside"]);
    return;
  }
});

Deno.test("a streamed body comes in parts, and stops when its rule goes", async () => {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const served = (async () => {
    const connection = await listener.accept();
    const say = (text: string) => connection.write(new TextEncoder().encode(text));
    await say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
    // Nothing more: what ends the stream is the rule.
    const rest = await connection.read(new Uint8Array(4096)).catch(() => null);
    const end = rest === null ? null : await connection.read(new Uint8Array(1)).catch(() => null);
    connection.close();
    return end;
  })();
  await using rig = await Rig.start({ sandbox: false });
  const { principals } = rig.kernel.services;
  const before = new Set([...principals.all()]);
  await using clove = await connect({ transport: rig.kernel.connect() });
  const [caller] = [...principals.all()].filter((principal) => !before.has(principal));
  const { Policy } = await import("../../permissions/mod.ts");
  const stream = clove.net.stream({ url: `http://127.0.0.1:${listener.addr.port}/` });
  const ended = stream.result.then(() => "finished", (error) => (error as { code: string }).code);
  const parts: unknown[] = [];
  try {
    for await (const part of stream) {
      parts.push(part.status_code ?? new TextDecoder().decode(part.tail));
      if (parts.length === 2) caller!.authority.lower(Policy.parse("ipc:*"));
    }
  } catch (error) {
    strictEqual((error as { code: string }).code, "denied");
  }
  deepStrictEqual(parts, [200, "one"]);
  strictEqual(await ended, "denied");
  await served;
});
