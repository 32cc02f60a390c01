/**
 * A first agent: says hello, reads a file, is refused another, keeps a value, and talks to a second agent.
 *
 *     deno run -A cli/main.ts run examples/hello_agent.ts
 *
 * It holds no Deno permission for any of this: everything goes through the kernel, which decides by the agent's policy.
 */
import { connect, SyscallError } from "@clove/sdk";

await using clove = await connect();
const me = await clove.sys.hello();
console.log(`Hello, I am ${me.name || "nobody"}, agent ${me.agent_id}, on Clove ${me.version}`);

await clove.fs.write({ path: "greeting.txt", content: "Hello from a file\n" });
const file = await clove.fs.read({ path: "greeting.txt" });
console.log(`Read ${file.path}: ${file.content.trim()}`);

try {
  await clove.fs.read({ path: "/etc/shadow" });
  console.log("Read /etc/shadow: this should not have been possible");
  Deno.exit(1);
} catch (error) {
  if (!(error instanceof SyscallError) || error.code !== "denied") throw error;
  console.log(`Refused: ${error.message}`);
  console.log(`  needed    ${error.receipt?.need}`);
  console.log(`  decided   ${error.receipt?.rule}`);
  console.log(`  to get it ${error.receipt?.ask}`);
}

await clove.state.store({ key: "hello.count", value: 1 });
const { value } = await clove.state.fetch({ key: "hello.count" });
console.log(`Stored and fetched: ${value}`);

const peer = await clove.agent.spawn({
  script: new URL("hello_peer.ts", import.meta.url).pathname,
  name: "peer",
});
await clove.ipc.send({ to: peer.agent_id, message: { question: "How are you?" } });
for await (const { from_name, message } of clove.messages()) {
  console.log(`${from_name} answers: ${(message as { answer: string }).answer}`);
  break;
}
const end = await clove.agent.wait({ id: peer.agent_id });
console.log(`${peer.name} ${end.cause}`);
