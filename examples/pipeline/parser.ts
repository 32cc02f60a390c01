/** Turns a question into postfix: `2 + 3 * 4` becomes `2 3 4 * +`. */
import { connect } from "@clove/sdk";

const BINDS: Readonly<Record<string, number>> = { "+": 1, "-": 1, "*": 2, "/": 2 };

await using clove = await connect();
for await (const { message } of clove.messages()) {
  const { question } = message as { question: string };
  const postfix = parse(question);
  if (postfix) await clove.ipc.send({ to_name: "reasoner", message: { question, postfix } });
  else await clove.ipc.send({ to_name: "source", message: { question, note: "a parenthesis is open" } });
}

/** The shunting-yard algorithm; null when parentheses do not match. */
function parse(text: string): string[] | null {
  const output: string[] = [];
  const waiting: string[] = [];
  for (const token of text.match(/\d+|[-+*/()]/g) ?? []) {
    if (/\d/.test(token)) output.push(token);
    else if (token === "(") waiting.push(token);
    else if (token === ")") {
      while (waiting.length > 0 && waiting.at(-1) !== "(") output.push(waiting.pop()!);
      if (waiting.pop() === undefined) return null;
    } else {
      while (BINDS[waiting.at(-1) ?? ""]! >= BINDS[token]!) output.push(waiting.pop()!);
      waiting.push(token);
    }
  }
  return waiting.includes("(") ? null : [...output, ...waiting.reverse()];
}
