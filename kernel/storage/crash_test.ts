/**
 * The kernel may be killed at any instant: what it acknowledged is there afterwards. This file is also the program that
 * is killed (its arguments: the data directory, and `fast` or `slow` for the disk): 16 writers that say each number on stdout once it is stored.
 */
import { ok, strictEqual } from "node:assert/strict";
import { type Clock, systemClock } from "../../worlds/clock.ts";
import { seededRandom } from "../../worlds/random.ts";
import { Log } from "../log.ts";
import { openStorage, type Storage } from "./storage.ts";

const KILLS = 60;
const WRITERS = 16;
const TABLE = "CREATE TABLE t (n INTEGER PRIMARY KEY, twin INTEGER NOT NULL, filler TEXT NOT NULL)";

/** On a clock that jumps, every sync looks slow, and is waited for in a thread. */
let jumps = 0;
const jumpyClock: Clock = { ...systemClock, monotonic: () => jumps++ };

function open(dir: string, clock = systemClock): Storage {
  const storage = openStorage({ dir, clock, log: new Log({ level: "error", format: "text" }) });
  storage.migrate("crash", [TABLE]);
  return storage;
}

async function writeUntilKilled(dir: string, disk: string): Promise<void> {
  const storage = open(dir, disk === "slow" ? jumpyClock : systemClock);
  let n = Number(storage.db.prepare("SELECT coalesce(max(n), 0) AS n FROM t").get()!.n);
  n += 1 - n % 2; // Odd numbers are given out; each transaction writes a pair, which must never be torn.
  const insert = storage.db.prepare("INSERT INTO t VALUES (?, ?, ?)");
  const filler = "x".repeat(300);
  await Promise.all(Array.from({ length: WRITERS }, async () => {
    for (;;) {
      const mine = n += 2;
      await storage.transact(() => {
        insert.run(mine, mine + 1, filler);
        insert.run(mine + 1, mine, filler);
      });
      Deno.stdout.writeSync(new TextEncoder().encode(`${mine}\n`));
    }
  }));
}

/** Lets the program write for a while, kills it, and returns the numbers it had acknowledged. */
async function oneLife(dir: string, disk: string, lifeMs: number): Promise<number[]> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.filename!, dir, disk],
    stdout: "piped",
    stderr: "inherit",
  });
  const child = command.spawn();
  let text = "";
  const decoder = new TextDecoder();
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    // The life is counted from the first acknowledgement, not from the start of the program.
    timer ??= setTimeout(() => child.kill("SIGKILL"), lifeMs);
  }
  strictEqual((await child.status).signal, "SIGKILL", "it ended before it was killed");
  // The last line may be half an acknowledgement.
  return text.slice(0, text.lastIndexOf("\n")).split("\n").map(Number);
}

if (Deno.args.length === 2) await writeUntilKilled(Deno.args[0]!, Deno.args[1]!);

Deno.test(`${KILLS} kills at random points lose nothing that was acknowledged, and tear no transaction`, async () => {
  const seed = Number(Deno.env.get("CLOVE_SEED") ?? Date.now() >>> 0);
  const random = seededRandom(seed);
  const dir = await Deno.makeTempDir({ prefix: "clove-crash-" });
  try {
    let acknowledged = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const label = `CLOVE_SEED=${seed}, kill ${kill}`;
      const numbers = await oneLife(dir, kill % 2 ? "slow" : "fast", random.float() ** 2 * 60);
      acknowledged += numbers.length;
      const storage = open(dir); // Also takes over what the dead process had locked.
      const find = storage.db.prepare("SELECT twin FROM t WHERE n = ?");
      for (const n of numbers) {
        strictEqual(find.get(n)?.twin, n + 1, `${n} was acknowledged and is lost, ${label}`);
      }
      const torn = storage.db.prepare(
        "SELECT count(*) AS n FROM t WHERE NOT EXISTS (SELECT 1 FROM t AS other WHERE other.n = t.twin)",
      ).get();
      strictEqual(torn?.n, 0, label);
      strictEqual(storage.db.prepare("PRAGMA quick_check").get()?.quick_check, "ok", label);
      await storage.close();
    }
    ok(
      acknowledged > KILLS * WRITERS,
      `too little was written to prove anything: ${acknowledged}, CLOVE_SEED=${seed}`,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
