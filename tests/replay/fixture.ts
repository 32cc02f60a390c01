/** A kernel without walls, a directory for programs and recordings, and the calls that these tests share. */
import { type Clove, connect, type ReplayStartParams, type ReplayStatusResult } from "@clove/sdk";
import { type Kernel, startKernel } from "../../kernel/main.ts";

/** What a test works with; all of it is gone at the closing brace. */
export interface Bench extends AsyncDisposable {
  readonly kernel: Kernel;
  readonly clove: Clove;
  readonly dir: string;
  /** Writes a program and gives its path. */
  program(text: string, name?: string): Promise<string>;
  /** Records a program to its end; gives the file and how it ended. */
  record(
    script: string,
    more?: Record<string, unknown>,
  ): Promise<{ file: string; code: number; output: string }>;
  /** Replays to the end. */
  replay(
    path: string,
    more?: Omit<ReplayStartParams, "path">,
  ): Promise<ReplayStatusResult & { output: string }>;
}

/** Starts one. */
export async function openBench(options: { sandbox?: boolean } = {}): Promise<Bench> {
  const dir = await Deno.makeTempDir({ prefix: "clove-replay-" });
  const kernel = await startKernel({ sandbox: options.sandbox ?? false, onLog: () => {} });
  const clove = await connect({ transport: kernel.connect() });
  let files = 0;
  const outputOf = async (id: number): Promise<string> => {
    const { chunks } = await clove.agent.output({ id }).result as unknown as { chunks: { text: string }[] };
    return chunks.map(({ text }) => text).join("");
  };
  const allOutput = async (id: number): Promise<string> => {
    let text = "";
    const output = clove.agent.output({ id, follow: true });
    for await (const part of output) text += part.text;
    return text || await outputOf(id);
  };
  return {
    kernel,
    clove,
    dir,
    async program(text, name = "agent.ts") {
      const path = `${dir}/${name}`;
      await Deno.writeTextFile(path, text);
      return path;
    },
    async record(script, more = {}) {
      const file = `${dir}/${++files}.jsonl`;
      const { agent_id } = await clove.agent.spawn({ script, record: file, ...more });
      const output = await allOutput(agent_id);
      const { exit_code } = await clove.agent.wait({ id: agent_id });
      // The last line is written after the end was told.
      for (let i = 0; i < 100 && !/"kind":"(exit|cut)"/.test(await Deno.readTextFile(file)); i++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return { file, code: exit_code, output };
    },
    async replay(path, more = {}) {
      const { replay_id, agent_id } = await clove.replay.start({ path, ...more });
      const output = await allOutput(agent_id!);
      return { ...await clove.replay.status({ replay_id: replay_id!, wait: true }), output };
    },
    async [Symbol.asyncDispose]() {
      await clove.close();
      await kernel.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}
