/** The second agent of `hello_agent.ts`: answers one question and ends. */
import { connect } from "@clove/sdk";

await using clove = await connect();
for await (const { from, message } of clove.messages()) {
  const { question } = message as { question: string };
  await clove.ipc.send({ to: from, message: { answer: `${question} Fine, and confined` } });
  break;
}
