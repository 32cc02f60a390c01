import type { Command } from "../command.ts";

/** `clove kernel`: the kernel's own program, with its own options. */
export const kernel: Command = {
  help: "",
  async run({ args, socket }) {
    const { main } = await import("../../kernel/main.ts");
    const named = args.some((word) =>
      word === "--socket" || word.startsWith("--socket=") || !word.startsWith("-")
    );
    // Not where a program or a test calls the command: their process is not the kernel's alone.
    const ownProcess = Deno.mainModule === import.meta.resolve("../main.ts");
    return await main(socket.chosen && !named ? ["--socket", socket.path, ...args] : args, { ownProcess });
  },
};
