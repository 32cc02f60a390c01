import type { Clove } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { CliError, STATUS, UsageError } from "../exit.ts";
import { table } from "../table.ts";
import { print, printJson } from "../terminal.ts";

/** More than the kernel takes; only so that nothing endless is read. */
const MOST_BYTES = 64 * 1024;

type Action = {
  readonly plain: { readonly min: number; readonly max: number; readonly words: string };
  act(clove: Clove, plain: readonly string[], json: boolean): Promise<void>;
};

/** `clove secret`: what agents may use and never see. */
export const secret: Command = {
  help: `Keep secrets that agents use without seeing them.

Usage: clove secret set NAME < FILE     the value is standard input, without its last line feed
       clove secret list
       clove secret remove NAME...

  --json   with list: print it as JSON, on one line
  --help   print this

An agent with a rule such as

  secret:GITHUB_TOKEN host=https://api.github.com method=GET,POST header=authorization

finds a placeholder in the variable GITHUB_TOKEN. In a header of an HTTP request to that host,
made by net.http or by plain HTTP through the agent's proxy, the kernel puts the value in.
`,
  async run(invocation) {
    const [verb = "", ...args] = invocation.args;
    const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb]! : null;
    const plain = action?.plain ?? { min: 0, max: Infinity, words: "set, list or remove" };
    const { values, plain: given } = invocation.options(
      { json: { type: "boolean" } },
      plain,
      action ? args : invocation.args,
    );
    if (!action) {
      throw new UsageError(
        `Cannot secret ${verb}: choose from ${Object.keys(ACTIONS).join(", ")}, see "clove secret --help"`,
      );
    }
    await using clove = await reachKernel(invocation.socket);
    await action.act(clove, given, values.json ?? false);
    return STATUS.ok;
  },
};

const ACTIONS: Readonly<Record<string, Action>> = {
  set: {
    plain: { min: 1, max: 1, words: "the secret's NAME; its value is standard input" },
    async act(clove, [name]) {
      await clove.secret.set({ name: name! }, { tail: await readValue() });
    },
  },
  list: {
    plain: { min: 0, max: 0, words: "nothing" },
    async act(clove, _, json) {
      const { secrets } = await clove.secret.list({});
      if (json) return await printJson(secrets);
      const rows = secrets.map(({ name, created, updated }) => [name, time(created), time(updated)]);
      await print(table(["NAME", "CREATED", "UPDATED"], rows));
    },
  },
  remove: {
    plain: { min: 1, max: Infinity, words: "the secrets' NAMEs" },
    async act(clove, names) {
      for (const name of names) await clove.secret.remove({ name });
    },
  },
};

/** A value on the command line would be seen by everybody on the machine. */
async function readValue(): Promise<Uint8Array> {
  if (Deno.stdin.isTerminal()) {
    throw new UsageError("Cannot read the secret: it would be shown here, use: clove secret set NAME < FILE");
  }
  const value = new Uint8Array(MOST_BYTES);
  let length = 0;
  for (let read; (read = await Deno.stdin.read(value.subarray(length))) !== null;) {
    length += read;
    if (length === MOST_BYTES) {
      throw new CliError(STATUS.failed, `Cannot read the secret: it is longer than ${MOST_BYTES} bytes`);
    }
  }
  if (value[length - 1] === 0x0a) length--;
  if (value[length - 1] === 0x0d) length--;
  return value.subarray(0, length);
}

function time(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19) + "Z";
}
