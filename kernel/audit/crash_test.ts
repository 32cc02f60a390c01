/**
 * A kernel that is killed at any instant leaves a torn log, never one that looks tampered with, and every line that was
 * durable. This file is also the program that is killed (with the data directory as its argument).
 */
import { ok, strictEqual } from "node:assert/strict";
import { systemClock } from "../../worlds/clock.ts";
import { seededRandom } from "../../worlds/random.ts";
import { Log } from "../log.ts";
import { openStorage } from "../storage/storage.ts";
import { Audit } from "./audit.ts";
import { verifyAudit } from "./offline.ts";

const KILLS = 12;

async function writeUntilKilled(dir: string): Promise<void> {
  const log = new Log({ level: "error", format: "text" });
  const storage = openStorage({ dir, clock: systemClock, log });
  const audit = new Audit({ clock: systemClock, log, storage });
  await audit.configure({ log_syscalls: true, max_entries: 3_000 }, { id: 1, name: "ops" });
  for (let n = 0;; n++) {
    for (let i = 0; i < 40; i++) {
      audit.write({ category: "SYSCALL", event_type: "fs.read", agent_id: 7, details: { n, i } });
    }
    audit.write({
      category: "SECURITY",
      event_type: "SYSCALL_BLOCKED",
      agent_id: 7,
      success: false,
      details: { n },
    });
    await audit.flush();
    const { lines } = await audit.query({ limit: 1 });
    Deno.stdout.writeSync(new TextEncoder().encode(`${lines[0]!.id}\n`));
  }
}

/** Lets the program write for a while, kills it, and returns the last line it knew to be durable. */
async function oneLife(dir: string, lifeMs: number): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.filename!, dir],
    stdout: "piped",
    stderr: "inherit",
  });
  const child = command.spawn();
  let text = "";
  const decoder = new TextDecoder();
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    timer ??= setTimeout(() => child.kill("SIGKILL"), lifeMs);
  }
  strictEqual((await child.status).signal, "SIGKILL", "it ended before it was killed");
  return Number(text.slice(0, text.lastIndexOf("\n")).split("\n").at(-1));
}

if (Deno.args.length === 1) await writeUntilKilled(Deno.args[0]!);

Deno.test(`${KILLS} kills at random points leave torn logs that lack nothing durable`, async () => {
  const seed = Number(Deno.env.get("CLOVE_SEED") ?? Date.now() >>> 0);
  const random = seededRandom(seed);
  const dir = await Deno.makeTempDir({ prefix: "clove-audit-crash-" });
  try {
    let pruned = false;
    for (let kill = 0; kill < KILLS; kill++) {
      const durable = await oneLife(dir, random.float() * 150);
      const report = verifyAudit(dir);
      const label = `CLOVE_SEED=${seed}, kill ${kill}: ${report.message}`;
      strictEqual(report.exit_code, 3, label);
      ok(report.last_id >= durable, `${label}, durable ${durable}`);
      pruned ||= report.first_id > 1;
    }
    ok(pruned, `too little was written for retention to take part, CLOVE_SEED=${seed}`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
