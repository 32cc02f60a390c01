import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { incompleteTail, OutputLog } from "./output.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (chunks: readonly { bytes: Uint8Array }[]): string =>
  chunks.map((chunk) => new TextDecoder().decode(chunk.bytes)).join("");
const log = (limit = 1 << 20): OutputLog => new OutputLog({ limit, now: () => 7 });

Deno.test("output past the bound loses the oldest, and a reader is told how many chunks", () => {
  const output = log(10_000);
  for (let i = 0; i < 1_000; i++) output.append("stdout", bytes(`line ${i}\n`));
  ok(output.bytes <= 10_000);
  const { chunks, lost } = output.read(0);
  strictEqual(lost, output.firstSeq - 1);
  ok(lost > 900);
  strictEqual(chunks[0]?.seq, output.firstSeq);
  strictEqual(chunks.at(-1)?.seq, 1_000);
});

Deno.test("a flood of single bytes is bounded by what it costs, not by what it says", () => {
  const output = log(100_000);
  for (let i = 0; i < 100_000; i++) output.append("stderr", bytes("x"));
  ok(output.lastSeq - output.firstSeq < 1_000);
});

Deno.test("one chunk larger than the bound is kept whole until the next", () => {
  const output = log(100);
  output.append("stdout", bytes("y".repeat(5_000)));
  strictEqual(output.bytes, 5_000);
  output.append("stdout", bytes("z"));
  strictEqual(text(output.read(0).chunks), "z");
});

Deno.test("characters cut by the pipe are put together again, stream by stream", () => {
  const output = log();
  const euro = bytes("€");
  output.append("stdout", euro.slice(0, 1));
  output.append("stderr", bytes("E"));
  output.append("stdout", euro.slice(1, 2));
  output.append("stdout", joinedWith(euro.slice(2), "!"));
  deepStrictEqual(output.read(0).chunks.map((c) => [c.stream, text([c])]), [["stderr", "E"], [
    "stdout",
    "€!",
  ]]);
});

Deno.test("a cut character at the end of the output is not lost", () => {
  const output = log();
  output.append("stdout", bytes("€").slice(0, 2));
  strictEqual(output.lastSeq, 0);
  output.end();
  deepStrictEqual([...output.read(0).chunks[0]!.bytes], [0xe2, 0x82]);
});

Deno.test("the incomplete tail is found for every length of character", () => {
  for (const character of ["a", "é", "€", "😀"]) {
    const all = bytes(character);
    strictEqual(incompleteTail(all), 0, character);
    for (let cut = 1; cut < all.length; cut++) strictEqual(incompleteTail(all.slice(0, cut)), cut, character);
  }
  strictEqual(incompleteTail(new Uint8Array([0xff, 0x80, 0x80, 0x80])), 0);
});

Deno.test("followers see everything in order, each at its own speed, and finish", async () => {
  const output = log();
  const follow = async (pause: boolean): Promise<string> => {
    let seen = "";
    for await (const batch of output.follow(0)) {
      seen += text(batch.chunks);
      if (pause) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return seen;
  };
  const both = [follow(false), follow(true)];
  let all = "";
  for (let i = 0; i < 50; i++) {
    output.append("stdout", bytes(`${i},`));
    all += `${i},`;
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  output.end();
  deepStrictEqual(await Promise.all(both), [all, all]);
});

Deno.test("a slow follower loses the oldest and learns how many", async () => {
  const output = log(2_000);
  let received = 0;
  let lost = 0;
  output.append("stdout", bytes("first"));
  for await (const batch of output.follow(0)) {
    received += batch.chunks.length;
    lost += batch.lost;
    if (output.ended) continue;
    for (let i = 0; i < 500; i++) output.append("stdout", bytes("flood"));
    output.end();
  }
  ok(lost > 400);
  strictEqual(received + lost, 501);
});

Deno.test("a follower stops when it is told to", async () => {
  const stop = new AbortController();
  const output = log();
  setTimeout(() => stop.abort(), 5);
  for await (const _ of output.follow(0, stop.signal)) throw new Error("There is nothing to follow");
});

Deno.test("the tail is counted in bytes and begins at a chunk", () => {
  const output = log();
  for (const word of ["aaaa", "bbbb", "cccc"]) output.append("stdout", bytes(word));
  strictEqual(output.tail(0), 3);
  strictEqual(output.tail(5), 2);
  strictEqual(output.tail(8), 1);
  strictEqual(output.tail(1_000), 0);
});

function joinedWith(head: Uint8Array, tail: string): Uint8Array {
  return new Uint8Array([...head, ...bytes(tail)]);
}

Deno.test("a reader that the agent waits for is told apart from one that may lose", async () => {
  const output = log(8_000);
  const fast = output.follow(0);
  const next = fast.next();
  output.append("stdout", bytes("a".repeat(3_000)));
  await next;
  // Nobody asked the agent to wait, however far behind a reader is.
  strictEqual(output.held, false);

  const careful = output.follow(0, undefined, true);
  await careful.next();
  strictEqual(output.held, true);
  let told = 0;
  output.onRoom(() => told++);
  output.append("stdout", bytes("b"));
  strictEqual(told, 0);
  // To ask for more is to have read what there was.
  strictEqual(text((await careful.next()).value!.chunks), "b");
  strictEqual(output.held, false);
  strictEqual(told, 1);

  output.append("stdout", bytes("c".repeat(3_000)));
  strictEqual(output.held, true);
  output.onRoom(() => told++);
  await careful.return();
  // Nobody waits for one who has gone.
  strictEqual(output.held, false);
  strictEqual(told, 2);
  await fast.return();
});
