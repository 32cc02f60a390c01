import { ok, strictEqual, throws } from "node:assert/strict";
import { parsePattern } from "./pattern.ts";

Deno.test("what is no pattern, or cannot be matched in one pass, is refused", () => {
  const cases: [string, RegExp][] = [
    ["/(/", /a "\(" is not closed/],
    ["/)/", /a "\)" without its beginning/],
    ["/[a/", /a "\[" is not closed/],
    ["/*/", /nothing that "\*" could repeat/],
    ["/a{3,1}/", /ends before it begins/],
    ["/a{9999}/", /more than 1000 times/],
    ["/(a{1000}){1000}/", /it is too long/],
    ["/(a)\\1/", /"\\1" is not known here/],
    ["/(?=a)/", /"\(\?" with anything but ":"/],
    ["/[z-a]/", /a range in brackets makes no sense/],
  ];
  for (const [text, why] of cases) throws(() => parsePattern("--grep", text), why, text);
});

Deno.test("it finds what JavaScript's own expressions find", () => {
  const patterns = [
    "a",
    "^a",
    "a$",
    "^$",
    "a|bc|",
    "^(a|b)*c$",
    "a{2}",
    "^a{1,3}$",
    "^a{2,}$",
    "(?:ab)+?c",
    "[a-c]x",
    "[^a-c]",
    "[]a]",
    "[a-]$",
    "\\d+\\.\\d",
    "\\bfoo\\b",
    "\\Bo",
    "x*y?z",
    "^(a*)*b$",
    "é.",
    "\\[\\w+\\]",
    "a.c",
    "(a|ab)(c|bcd)(d*)$",
  ];
  const lines = [
    "",
    "a",
    "aa",
    "aaa",
    "aaaa",
    "abc",
    "bc",
    "abcabc",
    "ababc",
    "bx",
    "dx",
    "-",
    "]",
    "1.5",
    "12.34 foo",
    "foobar",
    "a foo b",
    "xxz",
    "éa",
    "[INFO] ok",
    "a😀c",
    "abcd",
  ];
  for (const pattern of patterns) {
    const fits = parsePattern("--grep", `/${pattern}/`);
    // JavaScript takes "[]" for a set of nothing; everybody else's "]" is a member when it comes first.
    const theirs = new RegExp(pattern.replace("[]a]", "[\\]a]"), "u".repeat(Number(!/\[a-\]/.test(pattern))));
    for (const line of lines) strictEqual(fits(line), theirs.test(line), `/${pattern}/ on "${line}"`);
  }
});

Deno.test("text without slashes is text, and i takes either case", () => {
  ok(parsePattern("--grep", "a.c")("xa.cx"));
  ok(!parsePattern("--grep", "a.c")("abc"));
  ok(parsePattern("--grep", "/ERROR|größe/i")("GRÖSSE Größe"));
  ok(parsePattern("--grep", "/[a-c]+d/i")("ABCD"));
  ok(!parsePattern("--grep", "/error/")("ERROR"));
});

Deno.test("lines made to keep a matcher busy do not", () => {
  const fits = parsePattern("--grep", "/^(a+)+$/");
  const begun = performance.now();
  strictEqual(fits(`${"a".repeat(20_000)}!`), false);
  ok(performance.now() - begun < 2_000);
});
