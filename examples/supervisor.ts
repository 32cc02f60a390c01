/**
 * A supervisor: a worker crashes, is restarted after longer and longer waits, and is given up after the third time.
 *
 *     deno run -A cli/main.ts run examples/supervisor.ts
 */
import { connect } from "@clove/sdk";

await using clove = await connect();
const news = clove.events(["AGENT_SPAWNED", "AGENT_EXITED", "AGENT_RESTARTING", "AGENT_ESCALATED"]);
await news.result;
const worker = await clove.agent.spawn({
  name: "worker",
  script: new URL("supervisor/worker.ts", import.meta.url).pathname,
  restart_policy: "on-failure",
  max_restarts: 3,
  restart_window: 60,
  restart_backoff_ms: 200,
});

for await (const { type, data } of news) {
  const event = data as { agent_id: number; [key: string]: unknown };
  if (event.agent_id !== worker.id) continue;
  if (type === "AGENT_SPAWNED") console.log(`started, restarts so far: ${event.restart_count}`);
  else if (type === "AGENT_EXITED") console.log(`  ended: ${event.cause}`);
  else if (type === "AGENT_RESTARTING") {
    console.log(`  restart ${event.restart_count} of 3 in ${about(event.delay_ms)}`);
  } else break;
}
console.log("given up: 3 restarts within 60 s were not enough");

// Whoever spawned it also finds a letter, in case nobody was listening.
for await (const { message } of clove.messages()) {
  console.log(`mail: ${(message as { type: string }).type}`);
  break;
}
const { state, restart_count } = await clove.agent.wait({ id: worker.id });
console.log(`the worker is ${state}, after ${restart_count} restarts`);

/** Waits are spread by chance, so that agents that crashed together do not come back together. */
function about(ms: unknown): string {
  return `about ${(Math.round(Number(ms) / 200) * 0.2).toFixed(1)} s`;
}
