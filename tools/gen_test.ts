import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { defineSyscall, type Syscall } from "../kernel/syscall.ts";
import { generateDocs } from "./gen_docs.ts";
import { readRows, schemaOf } from "./gen_schema.ts";
import { generateSyscalls, typeOf } from "./gen_types.ts";

const sample = defineSyscall({
  name: "box.open_lid",
  wire: "OPEN",
  opcode: 0x0a,
  since: "9.9.9",
  summary: "Opens it.",
  params: z.object({
    key: z.string().describe("Which one."),
    any: z.unknown().describe("Anything."),
    wide: z.boolean().default(false).describe("All the way."),
  }),
  result: z.object({ found: z.array(z.enum(["cat", "no cat"])).describe("What */ was in it.") }),
  tail: { result: "Its fur." },
  record: () => ({}),
  tool: false,
  handle: () => ({ found: [] }),
}) as unknown as Syscall;

Deno.test("what is generated is what is there: run deno task gen", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fileURLToPath(new URL("gen.ts", import.meta.url)), "--check"],
    stdout: "null",
  }).output();
  ok(success, new TextDecoder().decode(stderr));
});

Deno.test("schemas become the types a person would write", () => {
  const cases: [z.ZodType, string][] = [
    [z.string(), "string"],
    [z.int(), "number"],
    [z.unknown(), "unknown"],
    [z.literal(true), "true"],
    [z.enum(["a", "b"]), '"a" | "b"'],
    [z.array(z.union([z.string(), z.int()])), "readonly (string | number)[]"],
    [z.record(z.string(), z.boolean()), "{ readonly [key: string]: boolean }"],
    [z.string().nullable(), "string | null"],
    [z.tuple([z.string(), z.int()]), "readonly [string, number]"],
    [z.object({}), "Record<string, unknown>"],
  ];
  for (const [type, expected] of cases) strictEqual(typeOf(schemaOf(type, "input")), expected);
});

Deno.test("a row becomes a method whose required arguments are required", () => {
  const text = generateSyscalls(readRows([sample]));
  match(text, /\n {2}readonly key: string;\n/);
  match(text, /\n {2}readonly any\?: unknown;\n/);
  match(text, /\n {3}\* @default false\n {3}\*\/\n {2}readonly wide\?: boolean;\n/);
  match(text, /open_lid\(params: BoxOpenLidParams, options\?: CallOptions\): Promise<BoxOpenLidResult>;/);
  match(text, /\/\*\* Raw bytes \(protocol 2\)\. Its fur\. \*\/\n {2}readonly tail\?: Uint8Array;\n/);
  match(text, /\["box", "open_lid", 0x0a, "call"\]/);
  ok(text.includes("What *\\/ was in it."), "a description ended its comment");
});

Deno.test("rows with parts give streams, rows that push give subscriptions", () => {
  const part = z.object({ n: z.int() });
  const kinds = [{ streams: true, part }, { part }, {}].map((more) =>
    readRows([{ ...sample, ...more }])[0]!.kind
  );
  deepStrictEqual(kinds, ["stream", "subscription", "call"]);
});

Deno.test("the reference has every field of a row, and where it came from", () => {
  const text = generateDocs(readRows([sample]));
  match(text, /### box\.open_lid\n\nOpens it\.\n\nopcode 0x0a · `OPEN` · since 9\.9\.9\n/);
  match(text, /\| `wide` \| boolean \| default `false` \| All the way\. \|/);
  match(text, /Raw bytes with the answer \(protocol 2\): its fur\./);
});
