/**
 * A kernel in this process with all its walls, programs that are run by it, and a fresh directory for each run.
 *
 * @module
 */
import { type AgentSpawnParams, type Clove, connect } from "@clove/sdk";
import { startKernel } from "../../kernel/main.ts";

/** One rule of a learned policy. */
export interface LearnedRule {
  readonly rule: string;
  readonly count: number;
  readonly examples: readonly string[];
}

/** What a learned file holds. */
export interface LearnedPolicy {
  readonly rules: readonly LearnedRule[];
  readonly unseen?: readonly { readonly path: string }[];
  readonly notes?: readonly string[];
}

/** How a run ended. */
export interface Ended {
  readonly status: number;
  readonly output: string;
}

/** A kernel to learn with. */
export interface Rig extends AsyncDisposable {
  readonly clove: Clove;
  /** Of its own, below `/var/tmp`: names below `/tmp` mean the agent's own. */
  readonly directory: string;
  /** Runs a program to its end. */
  run(params: AgentSpawnParams): Promise<Ended>;
  /** Runs it and reads what was learned. */
  learn(params: AgentSpawnParams): Promise<LearnedPolicy & Ended>;
}

/** Starts it. */
export async function rig(): Promise<Rig> {
  const kernel = await startKernel({ data: null, logLevel: "error" });
  const clove = await connect({ transport: kernel.connect() });
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "clove-learning-" });
  await Deno.chmod(directory, 0o755);
  const run = async (params: AgentSpawnParams): Promise<Ended> => {
    const { output, ended } = await clove.agents.run(params);
    let text = "";
    for await (const part of output) text += part.text;
    return { status: (await ended).exit_code, output: text };
  };
  return {
    clove,
    directory,
    run,
    async learn(params) {
      const file = `${directory}/learned.json`;
      const ended = await run({ ...params, learn: file });
      // It is there as soon as the agent has ended.
      return { ...ended, ...JSON.parse(await Deno.readTextFile(file)) as LearnedPolicy };
    },
    async [Symbol.asyncDispose]() {
      await clove.close();
      await kernel.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
