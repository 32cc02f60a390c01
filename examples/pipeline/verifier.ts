/** Does not believe the reasoner: computes the question again, another way, and passes on what agrees. */
import { connect } from "@clove/sdk";

await using clove = await connect();
for await (const { message } of clove.messages()) {
  const { question, answer } = message as { question: string; answer: number };
  const agrees = sum(question.match(/\d+|[-+*/()]/g) ?? []) === answer;
  await clove.ipc.send({
    to_name: "source",
    message: agrees ? { question, answer, note: "agrees" } : { question, note: `${answer} is wrong` },
  });
}

/** By recursive descent, from left to right: sums of products of numbers and parentheses. */
function sum(tokens: string[]): number {
  let total = product(tokens);
  while (tokens[0] === "+" || tokens[0] === "-") total += (tokens.shift() === "+" ? 1 : -1) * product(tokens);
  return total;
}

function product(tokens: string[]): number {
  let total = single(tokens);
  while (tokens[0] === "*" || tokens[0] === "/") {
    if (tokens.shift() === "*") total *= single(tokens);
    else total /= single(tokens);
  }
  return total;
}

function single(tokens: string[]): number {
  const token = tokens.shift();
  if (token !== "(") return Number(token);
  const value = sum(tokens);
  tokens.shift();
  return value;
}
