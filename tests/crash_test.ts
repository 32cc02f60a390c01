/** Acknowledged means durable: a kernel that is killed at any moment has kept everything it answered for. */
import { ok, strictEqual } from "node:assert/strict";
import { RawClient } from "./raw_client.ts";
import { ROOT } from "./root.ts";

const KILLS = 50;
const CLIENTS = 4;
const STORE = 0x30;
const FETCH = 0x31;

interface Running {
  readonly child: Deno.ChildProcess;
  readonly socket: string;
}

async function start(directory: string): Promise<Running> {
  const socket = `${directory}/clove.sock`;
  const args = [
    "run",
    "-A",
    "--no-check",
    `${ROOT}/kernel/main.ts`,
    "--socket",
    socket,
    "--data",
    `${directory}/data`,
  ];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, "--no-sandbox", "--log-level", "error"],
    stdout: "null",
  })
    .spawn();
  for (let tries = 0; tries < 400; tries++) {
    try {
      (await Deno.connect({ transport: "unix", path: socket })).close();
      return { child, socket };
    } catch {
      // The socket of the killed kernel refuses until the new one has replaced it.
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  child.kill("SIGKILL");
  throw new Error("The kernel did not come up again after it was killed");
}

/** Stores numbers under one key, each after the other was acknowledged; gives the last one that was. */
async function storeUntilKilled(socket: string, key: string, from: number): Promise<number> {
  const client = new RawClient(await Deno.connect({ transport: "unix", path: socket }));
  let acknowledged = from;
  try {
    for (;;) {
      const answer = await client.call(STORE, { key, value: acknowledged + 1 });
      strictEqual(answer.success, true);
      acknowledged++;
    }
  } catch (error) {
    // The kernel was killed under us: that is the end of this round, whatever the socket calls it.
    if (error instanceof Error && error.name === "AssertionError") throw error;
    return acknowledged;
  } finally {
    await client.close();
  }
}

Deno.test(`a kernel killed at ${KILLS} random moments under load loses nothing it acknowledged`, async () => {
  const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
  const acknowledged = new Array<number>(CLIENTS).fill(0);
  let running: Running | null = null;
  try {
    for (let kill = 0; kill <= KILLS; kill++) {
      running = await start(directory);
      await using reader = new RawClient(await Deno.connect({ transport: "unix", path: running.socket }));
      for (const [i, last] of acknowledged.entries()) {
        const { value, exists } = await reader.call(FETCH, { key: `counter-${i}` });
        if (last === 0 && !exists) continue;
        // One more than acknowledged may have been stored: its answer was on the way.
        ok(
          value === last || value === last + 1,
          `kill ${kill}: counter-${i} is ${value}, acknowledged was ${last}`,
        );
        acknowledged[i] = value;
      }
      if (kill === KILLS) break;
      const rounds = acknowledged.map((from, i) => storeUntilKilled(running!.socket, `counter-${i}`, from));
      await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 60));
      running.child.kill("SIGKILL");
      await running.child.status;
      running = null;
      acknowledged.splice(0, CLIENTS, ...await Promise.all(rounds));
    }
    ok(acknowledged.every((count) => count > KILLS), `too little load to prove anything: ${acknowledged}`);
  } finally {
    running?.child.kill("SIGTERM");
    await running?.child.status;
    await Deno.remove(directory, { recursive: true });
  }
});
