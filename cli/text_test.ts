import { strictEqual } from "node:assert/strict";
import { printable, printableLines } from "./text.ts";

Deno.test("terminal escapes and right-to-left marks are shown, not obeyed", () => {
  strictEqual(printable("a\u001b[31mred\u202etxt"), "a\\u001b[31mred\\u202etxt");
  strictEqual(printable("two\nlines\r\t"), "two\\nlines\\r\\t");
  strictEqual(printable("\u009b2J"), "\\u009b2J");
  strictEqual(printable("in\u200bvisible\u{e0041}"), "in\\u200bvisible\\u{e0041}");
});

Deno.test("ordinary text of any language stays as it is", () => {
  strictEqual(printable("Grüße, 世界, שלום, 🍀"), "Grüße, 世界, שלום, 🍀");
});

Deno.test("in output, lines stay lines and a lone carriage return is shown", () => {
  strictEqual(printableLines("one\r\ntwo\n\tthree"), "one\ntwo\n\tthree");
  strictEqual(printableLines("done\rgone\u001b]0;title\u0007"), "done\\rgone\\u001b]0;title\\u0007");
});
