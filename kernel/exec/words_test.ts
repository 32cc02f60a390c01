import { deepStrictEqual, throws } from "node:assert/strict";
import { splitWords } from "./words.ts";

Deno.test("what only a shell understands is refused, with the remedy", () => {
  for (
    const text of [
      "ls | wc",
      "ls; id",
      "ls && id",
      "ls &",
      "ls > x",
      "cat < x",
      "echo $HOME",
      "echo `id`",
      "echo $(id)",
      "ls *",
      "ls ?",
      "ls [ab]",
      "echo {a,b}",
      "ls ~",
      "ls # all",
      "! true",
      "(ls)",
      "a\nb",
      'echo "$HOME"',
      'echo "`id`"',
    ]
  ) {
    throws(() => splitWords(text), /only a shell understands .* shell: true/s, text);
  }
});

Deno.test("an open quote is refused", () => {
  for (const text of ["echo 'a", 'echo "a', "echo a\\"]) throws(() => splitWords(text), /left open/, text);
});

Deno.test("words are split as a shell splits them", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["  ls  -l\t/tmp ", ["ls", "-l", "/tmp"]],
    ["echo 'a b' \"c d\" e\\ f", ["echo", "a b", "c d", "e f"]],
    ["echo '' \"\"", ["echo", "", ""]],
    ["a'b'\"c\"d", ["abcd"]],
    ['echo "a\\"b\\\\c\\n" \'\\\'', ["echo", 'a"b\\c\\n', "\\"]],
    ["echo 'a;b|c&d>e$f`g*h' \\; \\$HOME", ["echo", "a;b|c&d>e$f`g*h", ";", "$HOME"]],
    ["find . -exec ls {} \\;", ["find", ".", "-exec", "ls", "{}", ";"]],
    ["echo a#b x~ y!", ["echo", "a#b", "x~", "y!"]],
    ['echo "100 $ and 5$"', ["echo", "100 $ and 5$"]],
    ["printf 'zwölf €'", ["printf", "zwölf €"]],
  ];
  for (const [text, words] of cases) deepStrictEqual(splitWords(text), words, text);
});
