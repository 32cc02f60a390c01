import { z } from "zod";
import { success } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { secretFields } from "./shape.ts";

/** Names secrets. */
export const secretList = defineSyscall({
  name: "secret.list",
  wire: "SECRET_LIST",
  opcode: 0x4b,
  since: "0.1.0",
  summary:
    "Names the secrets that some rule of the caller's is about, with the caller's placeholders; operators see all.",
  params: z.strictObject({}),
  result: z.object({
    success,
    secrets: z.array(z.object({
      ...secretFields,
      placeholder: z.string().optional().describe(
        "What to put into a header: it becomes the value when a request leaves, where a rule says so. " +
          "Absent where no rule of the caller's is about it.",
      ),
    })).describe("By name."),
  }),
  record: () => ({}),
  tool: true,
  handle({ caller, services: { secrets } }) {
    const held = new Map(secrets.heldBy(caller).map(({ facts, placeholder }) => [facts.name, placeholder]));
    const seen = secrets.list().filter(({ name }) => caller.kind === "operator" || held.has(name));
    return {
      secrets: seen.map((facts) => {
        const placeholder = held.get(facts.name);
        return placeholder === undefined ? facts : { ...facts, placeholder };
      }),
    };
  },
});
