import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { formatAnswer, numberOf, readQuestion } from "./question.ts";

Deno.test("what has no number cannot be answered", () => {
  for (
    const line of [
      "",
      "x",
      "null",
      "7",
      "[]",
      "{}",
      '{"id":-1}',
      '{"id":1.5}',
      '{"id":"1"}',
      '{"id":4294967296}',
      '{"id":null}',
    ]
  ) {
    strictEqual(readQuestion(line), null, line);
  }
});

Deno.test("a question of Deno 2.9.6 is read; what is of another kind counts as absent", () => {
  deepStrictEqual(
    readQuestion(
      '{"v":1,"pid":7,"id":3,"datetime":"2026-01-01T00:00:00.000Z","permission":"read","value":"a"}',
    ),
    { id: 3, version: 1, permission: "read", value: "a" },
  );
  deepStrictEqual(readQuestion('{"id":3,"v":"1","permission":{},"value":["a"],"__proto__":{"value":"b"}}'), {
    id: 3,
    version: 0,
    permission: "",
    value: null,
  });
});

Deno.test("an answer is one line of JSON, whatever the reason holds", () => {
  strictEqual(formatAnswer(7, { allowed: true, reason: "" }), '{"id":7,"result":"allow"}\n');
  const answer = formatAnswer(7, { allowed: false, reason: 'no\n"way" \ud800' + "x".repeat(5_000) });
  strictEqual(answer.indexOf("\n"), answer.length - 1);
  const { id, result, reason } = JSON.parse(answer);
  deepStrictEqual([id, result], [7, "deny"]);
  ok(reason.startsWith('no\n"way" \ufffd') && reason.length < 2_100);
});

Deno.test("the number of a question stands at its beginning", () => {
  strictEqual(numberOf('{"v":1,"pid":7,"id":3,"datetime":"2026-01-01T'), 3);
  strictEqual(numberOf('{"v":1,"permission":"read","value":"\\",\\"id\\":3,'), null);
});
