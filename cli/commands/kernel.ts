import type { Command } from "../command.ts";

/** `clove kernel`: the kernel's own program, with its own options. */
export const kernel: Command = {
  help: "",
  async run({ args, socket }) {
    const { main } = await import("../../kernel/main.ts");
    const named = args.some((word) =>
      word === "--socket" || word.startsWith("--socket=") || !word.startsWith("-")
    );
    return await main(socket.chosen && !named ? ["--socket", socket.path, ...args] : args);
  },
};
