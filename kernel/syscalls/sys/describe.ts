import { z } from "zod";
import { defineSyscall, type Syscall } from "../../syscall.ts";

let described: unknown[] | null = null;

/** The table, as data. */
export const sysDescribe = defineSyscall({
  name: "sys.describe",
  wire: "DESCRIBE",
  opcode: 0xfd,
  since: "0.1.0",
  summary: "Lists every syscall with its opcode and JSON Schemas.",
  params: z.strictObject({
    name: z.string().optional().describe("Only this syscall, such as `fs.read`."),
  }),
  result: z.object({
    syscalls: z.array(z.object({
      name: z.string().describe("`family.verb`."),
      wire: z.string().describe("The short name, such as `READ`."),
      opcode: z.int().describe("0-255."),
      since: z.string().describe("The version that brought it."),
      summary: z.string().describe("One sentence."),
      tool: z.boolean().describe("Whether it is offered to language models."),
      streams: z.boolean().describe("Whether protocol 2 answers in parts."),
      params: z.unknown().describe("JSON Schema of the arguments."),
      result: z.unknown().describe("JSON Schema of the answer."),
    })).describe("In the order of their opcodes."),
  }),
  record: ({ name }) => ({ name }),
  tool: false,
  async handle(_ctx, { name }) {
    // Late, because the table lists this row too.
    const { TABLE } = await import("../../table.ts");
    described ??= TABLE.map(describe);
    const syscalls = described as { name: string }[];
    return { syscalls: (name ? syscalls.filter((row) => row.name === name) : syscalls) as never };
  },
});

function describe(row: Syscall): unknown {
  const { name, wire, opcode, since, summary, tool } = row;
  return {
    name,
    wire,
    opcode,
    since,
    summary,
    tool,
    streams: row.streams ?? false,
    params: z.toJSONSchema(row.params, { io: "input", unrepresentable: "any" }),
    result: z.toJSONSchema(row.result, { io: "output", unrepresentable: "any" }),
  };
}
