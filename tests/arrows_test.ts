/** Imports go one way. The table is the architecture's; the imports are the real ones. */
import { deepStrictEqual } from "node:assert/strict";
import { fromFileUrl, ROOT } from "./root.ts";

/** Folder -> what it may import of ours, beside itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "sdk/protocol": [],
  ffi: [],
  permissions: [],
  worlds: [],
  sdk: ["sdk/protocol"],
  kernel: ["ffi", "permissions", "worlds", "sdk/protocol"],
  relay: ["sdk", "sdk/protocol"],
  mcp: ["sdk", "sdk/protocol"],
  // The CLI starts a private kernel through the kernel's public door, as any embedder would.
  cli: ["sdk", "sdk/protocol", "kernel/main.ts"],
};

/** Longest first, so that `sdk/protocol` wins over `sdk`. */
const FOLDERS = Object.keys(ARROWS).sort((a, b) => b.length - a.length);

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

function folderOf(path: string): string | null {
  return FOLDERS.find((folder) => path.startsWith(`${folder}/`)) ?? null;
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(`${ROOT}/${folder}`)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (/\.ts$/.test(path) && !/_test\.ts$|_bench\.ts$/.test(path)) yield path;
  }
}

async function graph(entries: string[]): Promise<Module[]> {
  const text = `${entries.map((path) => `import "./${path}";`).join("\n")}\n`;
  const file = await Deno.makeTempFile({ dir: ROOT, prefix: ".arrows-", suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, text);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", file],
      cwd: ROOT,
      stderr: "inherit",
    }).output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
    return modules.filter((module) => !module.specifier.endsWith(file.slice(ROOT.length)));
  } finally {
    await Deno.remove(file);
  }
}

/** Every arrow that the table does not allow, as `from -> to`. */
export function wrongArrows(modules: readonly { path: string; imports: readonly string[] }[]): string[] {
  const wrong: string[] = [];
  for (const { path, imports } of modules) {
    const from = folderOf(path);
    if (!from) continue;
    for (const target of imports) {
      const to = folderOf(target);
      const allowed = to === null || to === from || ARROWS[from]!.includes(to) ||
        ARROWS[from]!.includes(target);
      if (!allowed) wrong.push(`${path} -> ${target}`);
    }
  }
  return wrong;
}

Deno.test("a wrong arrow is named", () => {
  const modules = [{ path: "permissions/weigh.ts", imports: ["kernel/limits.ts", "permissions/glob.ts"] }];
  deepStrictEqual(wrongArrows(modules), ["permissions/weigh.ts -> kernel/limits.ts"]);
});

Deno.test("imports go one way", async () => {
  const entries: string[] = [];
  for (const folder of ["ffi", "permissions", "worlds", "sdk", "kernel", "relay", "mcp", "cli"]) {
    try {
      for await (const path of sources(folder)) entries.push(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  const local = (specifier: string | undefined) => {
    return specifier?.startsWith("file:") ? [fromFileUrl(specifier).slice(ROOT.length + 1)] : [];
  };
  const modules = (await graph(entries)).flatMap(({ specifier, dependencies = [] }) => {
    return local(specifier).map((path) => ({
      path,
      imports: dependencies.flatMap((
        { code, type },
      ) => [...local(code?.specifier), ...local(type?.specifier)]),
    }));
  });
  deepStrictEqual(wrongArrows(modules), []);
});
