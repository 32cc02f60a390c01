import { z } from "zod";
import { agentId } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";

/** Says who is there, and agrees on a protocol. */
export const sysHello = defineSyscall({
  name: "sys.hello",
  wire: "HELLO",
  opcode: 0xfe,
  since: "0.1.0",
  summary:
    "Tells the kernel's version and who the caller is; with `protocol_version` 2 both sides switch to protocol 2.",
  params: z.object({
    protocol_version: z.int().optional().catch(undefined)
      .describe("The highest protocol the client speaks; absent means 1."),
    clock: z.boolean().optional().catch(undefined).describe(
      "True: the client's clock is virtual. While it is recorded or replayed, frames with number 0 tell it the time.",
    ),
  }).catch({}),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    kernel_version: z.string().describe("Such as `0.1.0`."),
    version: z.string().describe("The same."),
    protocol_version: z.int().describe("The protocol of every frame after this answer."),
    features: z.record(z.string(), z.boolean()).describe("The original's three switches."),
    capabilities: z.array(z.string()).describe("The families of syscalls this kernel offers."),
    agent_id: agentId("The caller's number."),
    name: z.string().describe("The caller's name, or empty."),
    kind: z.enum(["operator", "agent", "remote"]).describe("What the kernel takes the caller for."),
    uptime: z.number().describe("Seconds since the kernel started."),
  }),
  record: ({ protocol_version }) => ({ protocol_version }),
  tool: false,
  handle(ctx, { protocol_version = 1, clock: virtual = false }) {
    const { info, clock } = ctx.services;
    // Asked again later, it changes nothing: there is no way back to protocol 1.
    const version = ctx.binary || protocol_version >= 2 ? 2 : 1;
    ctx.agree(version, virtual);
    return {
      success: true as const,
      kernel_version: info.version,
      version: info.version,
      protocol_version: version,
      features: { async_default_exec_http: true, llm_in_kernel: false, sys_think_stub: true },
      capabilities: [...info.families],
      agent_id: ctx.caller.id,
      name: ctx.caller.name,
      kind: ctx.caller.kind,
      uptime: (clock.now() - info.startedAt) / 1000,
    };
  },
});
