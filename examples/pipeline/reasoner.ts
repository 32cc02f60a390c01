/** Computes what the parser made. */
import { connect } from "@clove/sdk";

const APPLY: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
};

await using clove = await connect();
for await (const { message } of clove.messages()) {
  const { question, postfix } = message as { question: string; postfix: string[] };
  const stack: number[] = [];
  for (const token of postfix) {
    const apply = APPLY[token];
    if (!apply) stack.push(Number(token));
    else {
      const right = stack.pop()!;
      stack.push(apply(stack.pop()!, right));
    }
  }
  await clove.ipc.send({ to_name: "verifier", message: { question, answer: stack[0] } });
}
