import { z } from "zod";
import { defineSyscall } from "../../syscall.ts";

const goodbye = new TextEncoder().encode("goodbye");

/** Says goodbye. The connection stays open, as the original's clients expect; closing it is the client's act. */
export const sysExit = defineSyscall({
  name: "sys.exit",
  wire: "EXIT",
  opcode: 0xff,
  since: "0.1.0",
  summary: "Answers the text `goodbye`; the connection stays usable until the client closes it.",
  params: z.unknown().describe("Ignored."),
  result: z.string().describe("The text `goodbye`, not JSON."),
  record: () => ({}),
  tool: false,
  bare: true,
  raw: () => goodbye,
  handle: () => "goodbye",
});
