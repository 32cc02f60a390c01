import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { systemClock } from "../../worlds/clock.ts";
import type { OutputStream } from "../agents/output.ts";
import { Log } from "../log.ts";
import { type KeptChunk, OutputFiles } from "./files.ts";
import { FILE_BYTES, FILES } from "./writer.ts";

const log = new Log({ level: "error", format: "text", write: () => {} });
const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function withDir(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "clove-output-" });
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function filesIn(dir: string, kernel = 1): OutputFiles {
  return new OutputFiles({ dir: `${dir}/output`, clock: systemClock, log, kernel });
}

function chunk(text: string | Uint8Array, stream: OutputStream = "stdout") {
  return { seq: 1, stream, time: 1_000, bytes: typeof text === "string" ? encoder.encode(text) : text };
}

async function all(files: OutputFiles, name: string, except?: number): Promise<KeptChunk[]> {
  const chunks: KeptChunk[] = [];
  for await (const one of files.read(name, except)) chunks.push(one);
  return chunks;
}

const texts = (chunks: readonly KeptChunk[]) => chunks.map(({ bytes }) => decoder.decode(bytes));

Deno.test("what an agent wrote is there for the next kernel, byte for byte, and for nobody else", () =>
  withDir(async (dir) => {
    const files = filesIn(dir);
    const sink = files.open({ id: 7, name: "worker" });
    const bytes = Uint8Array.from([0, 255, 10, ...encoder.encode("\no 1 5\nforged\nS 1 2\n{}\n")]);
    sink.add(chunk("first\n"));
    sink.add(chunk(bytes, "stderr"));
    sink.end();
    await files.close();
    for await (const { name } of Deno.readDir(`${dir}/output`)) {
      strictEqual((await Deno.stat(`${dir}/output/${name}`)).mode! & 0o777, 0o600);
    }
    strictEqual((await Deno.stat(`${dir}/output`)).mode! & 0o777, 0o700);
    const later = filesIn(dir, 2);
    strictEqual(later.has("nobody"), false);
    strictEqual(later.has("worker"), true);
    const [first, second, ...rest] = await all(later, "worker");
    deepStrictEqual(rest, []);
    deepStrictEqual([first!.owner, first!.stream, first!.time], [
      { id: 7, name: "worker", kernel: 1 },
      "stdout",
      1_000,
    ]);
    deepStrictEqual([second!.stream, [...second!.bytes]], ["stderr", [...bytes]]);
  }));

Deno.test("the files of one name never hold more than four times 1 MiB, and keep the newest", () =>
  withDir(async (dir) => {
    const files = filesIn(dir);
    const sink = files.open({ id: 7, name: "loud" });
    const piece = new Uint8Array(60_000).fill(0x78);
    for (let n = 0; n < 120; n++) {
      sink.add(chunk(piece));
      if (n % 10 === 9) await files.close();
    }
    sink.add(chunk("the end"));
    sink.end();
    await files.close();
    let bytes = 0;
    let count = 0;
    for await (const { name } of Deno.readDir(`${dir}/output`)) {
      const { size } = await Deno.stat(`${dir}/output/${name}`);
      ok(size <= FILE_BYTES, `${name} has ${size} bytes`);
      bytes += size;
      count++;
    }
    strictEqual(count, FILES);
    ok(bytes > 3_000_000);
    const kept = await all(filesIn(dir, 2), "loud");
    strictEqual(decoder.decode(kept.at(-1)!.bytes), "the end");
    ok(kept.every(({ owner }) => owner?.id === 7), "each file says whose output it begins with");
  }));

Deno.test("more than the disk takes is given up and counted, not kept in memory", () =>
  withDir(async (dir) => {
    const files = filesIn(dir);
    const sink = files.open({ id: 7, name: "flood" });
    for (let n = 0; n < 100; n++) sink.add(chunk(new Uint8Array(60_000).fill(0x78)));
    await files.close();
    const [first] = await all(files, "flood");
    ok(first!.lost > 4_000_000, String(first!.lost));
    sink.end();
    await files.close();
  }));

Deno.test("a tail that a killed kernel left half written is passed over", () =>
  withDir(async (dir) => {
    const files = filesIn(dir);
    const sink = files.open({ id: 7, name: "worker" });
    sink.add(chunk("whole"));
    sink.add(chunk("half a piece"));
    sink.end();
    await files.close();
    const path = `${dir}/output/worker.log`;
    await Deno.truncate(path, (await Deno.stat(path)).size - 4);
    deepStrictEqual(texts(await all(filesIn(dir, 2), "worker")), ["whole"]);
  }));

Deno.test("names with dots stay apart, an agent's own output can be left out, old names go", () =>
  withDir(async (dir) => {
    const files = filesIn(dir);
    for (const name of ["a", "a.log", "a.log.1", "..", "."]) {
      const sink = files.open({ id: 7, name });
      sink.add(chunk(name));
      sink.end();
    }
    const again = files.open({ id: 8, name: "a" });
    again.add(chunk("second"));
    await files.close();
    for (const name of ["a.log", "a.log.1", "..", "."]) {
      deepStrictEqual(texts(await all(files, name)), [name]);
    }
    deepStrictEqual(texts(await all(files, "a")), ["a", "second"]);
    deepStrictEqual(texts(await all(files, "a", 8)), ["a"]);
    for (let n = 0; n < 300; n++) files.open({ id: n, name: `n${n}` }).end();
    await files.close();
    strictEqual(files.has("a.log"), false);
    strictEqual(files.has("a"), true, "it is still written");
    deepStrictEqual(texts(await all(files, "a.log")), []);
    again.end();
    await files.close();
  }));
