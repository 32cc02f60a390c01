import { z } from "zod";
import { defineSyscall } from "../../syscall.ts";

/** Which walls this machine offers. */
export const sysDoctor = defineSyscall({
  name: "sys.doctor",
  wire: "DOCTOR",
  opcode: 0xfc,
  since: "0.1.0",
  summary: "Tells which walls this kernel can put around an agent, and what blocks the others.",
  params: z.strictObject({}),
  result: z.object({
    launcher: z.string().describe("How agents are started, in one line."),
    walls: z.array(z.object({
      wall: z.string().describe("Its name, as in `require` and `isolation`."),
      available: z.boolean().describe("Whether an agent started now would have it."),
      detail: z.string().describe("What was found."),
      remedy: z.string().describe("What a person can do about it; empty when available."),
    })).describe("One entry a wall."),
  }),
  record: () => ({}),
  tool: false,
  async handle(ctx) {
    const { launcher } = ctx.services.agents;
    return { launcher: launcher.description, walls: [...await launcher.probe()] };
  },
});
