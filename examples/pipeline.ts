/**
 * A pipeline: a parser, a reasoner and a verifier, each an agent with no right but to write letters.
 *
 *     deno run -A cli/main.ts run examples/pipeline.ts
 */
import { connect } from "@clove/sdk";

const QUESTIONS = ["2 + 3 * 4", "10 - 4 - 3", "(1 + 2) * (3 + 4)", "2 * (3"];

await using clove = await connect();
await clove.ipc.register({ name: "source" });
const stages = await Promise.all(["parser", "reasoner", "verifier"].map((name) =>
  clove.agent.spawn({
    name,
    script: new URL(`pipeline/${name}.ts`, import.meta.url).pathname,
    policy: ["ipc:*"],
  })
));

for (const question of QUESTIONS) await clove.ipc.send({ to_name: "parser", message: { question } });
const answers = clove.messages();
for (let i = 0; i < QUESTIONS.length; i++) {
  const { value } = await answers.next();
  const { question, answer, note } = value!.message as { question: string; answer?: number; note: string };
  console.log(
    `${question.padEnd(18)} ${answer === undefined ? "no answer" : `= ${answer}`.padEnd(9)} ${
      value!.from_name
    }: ${note}`,
  );
}
for (const { id } of stages) await clove.agent.kill({ id });
