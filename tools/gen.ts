/**
 * Writes the files that are made from the table of syscalls: `deno task gen`. With `--check` nothing is written, and
 * the status is 1 when a file is stale.
 *
 * @module
 */
import { TABLE } from "../kernel/table.ts";
import { bundle } from "./gen_bundle.ts";
import { generateDocs } from "./gen_docs.ts";
import { readRows } from "./gen_schema.ts";
import { generateSyscalls } from "./gen_types.ts";

const root = new URL("../", import.meta.url);

/** A generated file, by its path from the root. */
interface Generated {
  readonly path: string;
  readonly text: string;
}

/** Everything that comes straight from the table. */
export function generate(): Generated[] {
  const rows = readRows(TABLE);
  return [
    { path: "sdk/client/syscalls.generated.ts", text: generateSyscalls(rows) },
    { path: "docs/syscalls.md", text: generateDocs(rows) },
  ];
}

/** The agents' bundle; it contains what {@link generate} wrote. */
export async function generateBundle(): Promise<Generated> {
  return {
    path: "kernel/agents/sdk_bundle.js",
    text: await bundle(new URL("sdk/mod.ts", root).pathname),
  };
}

/** Writes a file, or only compares it; true when it was as it should be. */
async function settle({ path, text }: Generated, check: boolean): Promise<boolean> {
  const url = new URL(path, root);
  let before = "";
  try {
    before = await Deno.readTextFile(url);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (before === text) return true;
  if (check) console.error(`Stale: ${path}, run "deno task gen"`);
  else {
    await Deno.writeTextFile(url, text);
    console.log(`Wrote ${path}`);
  }
  return false;
}

if (import.meta.main) {
  const check = Deno.args.includes("--check");
  let fresh = true;
  for (const file of generate()) fresh = await settle(file, check) && fresh;
  fresh = await settle(await generateBundle(), check) && fresh;
  if (check && !fresh) Deno.exit(1);
}
