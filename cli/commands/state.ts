import type { Clove } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { isTerminal, jsonText, print, printJson, say } from "../terminal.ts";
import { printable, printableLines } from "../text.ts";
import { parseSeconds } from "../units.ts";

const OPTIONS = {
  scope: { type: "string" },
  ttl: { type: "string" },
  json: { type: "boolean" },
} as const;

type Actions = Readonly<
  Record<
    string,
    {
      readonly plain: { readonly min: number; readonly max: number; readonly words: string };
      act(clove: Clove, plain: readonly string[], options: Options): Promise<number>;
    }
  >
>;

interface Options {
  readonly scope: { readonly scope?: string };
  readonly ttl: { readonly ttl?: number };
  readonly json: boolean;
}

/** `clove state`: the key-value store. */
export const state: Command = {
  help: `Read and change the kernel's state.

Usage: clove state get KEY
       clove state set KEY [VALUE]      VALUE, or else standard input, as text
       clove state delete KEY...
       clove state keys [PREFIX]
       clove state watch [PREFIX]       changes, as they happen

  --scope SCOPE   global, agent or session   [global]
  --ttl TIME      with set: forget it after this time, such as 30s or 2h
  --json          VALUE is JSON; what is printed is JSON, one value on a line
  --help          print this

"get" prints text as it is and everything else as JSON; its status is 1 when there is no such key.
`,
  async run(invocation) {
    const [verb = "", ...args] = invocation.args;
    const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb]! : null;
    // "clove state --help" has no verb; what has neither gets to know the verbs.
    const plain = action?.plain ?? { min: 0, max: Infinity, words: "get, set, delete, keys or watch" };
    const { values, plain: given } = invocation.options(OPTIONS, plain, action ? args : invocation.args);
    if (!action) {
      throw new UsageError(
        `Cannot state ${verb}: choose from ${Object.keys(ACTIONS).join(", ")}, see "clove state --help"`,
      );
    }
    const options: Options = {
      scope: values.scope === undefined ? {} : { scope: values.scope },
      ttl: values.ttl === undefined ? {} : { ttl: parseSeconds("--ttl", values.ttl) },
      json: values.json ?? false,
    };
    await using clove = await reachKernel(invocation.socket);
    return await action.act(clove, given, options);
  },
};

const ACTIONS: Actions = {
  get: {
    plain: { min: 1, max: 1, words: "KEY" },
    async act(clove, [key], { scope, json }) {
      const { exists, value } = await clove.state.fetch({ key: key!, ...scope });
      if (!exists) {
        say(`there is no "${printable(key!)}"`);
        return STATUS.failed;
      }
      if (json) await printJson(value);
      else await print(`${shown(value)}\n`);
      return STATUS.ok;
    },
  },
  set: {
    plain: { min: 1, max: 2, words: "KEY" },
    async act(clove, [key, text], { scope, ttl, json }) {
      const given = text ?? await new Response(Deno.stdin.readable).text();
      await clove.state.store({ key: key!, value: json ? parseJson(given) : given, ...scope, ...ttl });
      return STATUS.ok;
    },
  },
  delete: {
    plain: { min: 1, max: 1000, words: "KEY" },
    async act(clove, keys, { scope }) {
      const answers = await Promise.all(keys.map((key) => clove.state.delete({ key, ...scope })));
      const absent = answers.filter(({ deleted }) => !deleted);
      for (const { key } of absent) say(`there was no "${printable(key)}"`);
      return absent.length > 0 ? STATUS.failed : STATUS.ok;
    },
  },
  keys: {
    plain: { min: 0, max: 1, words: "PREFIX" },
    async act(clove, [prefix = ""], { scope, json }) {
      for (let after: string | undefined = ""; after !== undefined;) {
        const page: Awaited<ReturnType<typeof clove.state.keys>> = await clove.state.keys({
          prefix,
          after,
          ...scope,
        });
        await print(page.keys.map((key) => `${json ? JSON.stringify(key) : shown(key)}\n`).join(""));
        after = page.after;
      }
      return STATUS.ok;
    },
  },
  watch: {
    plain: { min: 0, max: 1, words: "PREFIX" },
    async act(clove, [prefix = ""], { scope, json }) {
      for await (const change of clove.state.watch({ prefix, ...scope })) {
        if (json) await printJson(change);
        else if (change.action === "lost") {
          say(`${change.count} changes are lost: they came faster than they were read`);
        } else if (change.action === "store") {
          await print(`store ${shown(change.key!)} ${jsonText(change.value)}\n`);
        } else if (change.action !== "watching") await print(`${change.action} ${shown(change.key!)}\n`);
      }
      return STATUS.ok;
    },
  },
};

/** Text as it is, but safe on a terminal; anything else as JSON. */
function shown(value: unknown): string {
  if (typeof value !== "string") return isTerminal() ? jsonText(value) : JSON.stringify(value);
  return isTerminal() ? printableLines(value) : value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`Cannot set the value: it is no JSON, ${(error as Error).message}`);
  }
}
