import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parseJsonc } from "./jsonc.ts";
import { findProject, importMapFor } from "./project.ts";

async function withFiles(
  files: Record<string, string>,
  test: (root: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir());
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = `${root}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function mapOf(url: string | null): { imports: Record<string, string>; scopes: Record<string, unknown> } {
  ok(url?.startsWith("data:application/json,"));
  return JSON.parse(decodeURIComponent(url!.slice("data:application/json,".length)));
}

Deno.test("a shared directory is never a project, whatever lies in it", async () => {
  deepStrictEqual(await findProject("/tmp/agent.py"), { root: "/tmp/agent.py", config: null });
});

Deno.test("nothing above the given top makes a project", async () => {
  await withFiles({ "deno.json": "{}", "a/b/agent.ts": "" }, async (root) => {
    deepStrictEqual(await findProject(`${root}/a/b/agent.ts`, `${root}/a`), {
      root: `${root}/a/b`,
      config: null,
    });
    deepStrictEqual(await findProject(`${root}/a/b/agent.ts`), { root, config: `${root}/deno.json` });
  });
});

Deno.test("a Python project is found by its pyproject.toml", async () => {
  await withFiles({ "p/pyproject.toml": "", "p/src/agent.py": "" }, async (root) => {
    deepStrictEqual(await findProject(`${root}/p/src/agent.py`), { root: `${root}/p`, config: null });
  });
});

Deno.test("a project that resolves the SDK itself is left alone", async () => {
  const cases: Record<string, string>[] = [
    { "deno.json": '{"imports":{"@clove/sdk":"./sdk.ts"}}' },
    {
      "deno.jsonc": '// mine\n{"importMap":"./map.json",}',
      "map.json": '{"imports":{"@clove/sdk":"./sdk.ts"}}',
    },
    { "deno.json": '{"workspace":["./sdk"]}', "sdk/deno.json": '{"name":"@clove/sdk"}' },
    { "package.json": '{"dependencies":{"@clove/sdk":"*"}}' },
  ];
  for (const files of cases) {
    await withFiles({ ...files, "agent.ts": "" }, async (root) => {
      strictEqual(
        await importMapFor(await findProject(`${root}/agent.ts`), "/sdk.js"),
        null,
        Object.keys(files)[0],
      );
    });
  }
});

Deno.test("without a configuration the SDK's names lead to the bundle", async () => {
  await withFiles({ "agent.ts": "" }, async (root) => {
    const { imports } = mapOf(await importMapFor(await findProject(`${root}/agent.ts`), "/run/clove sdk.js"));
    strictEqual(imports["@clove/sdk"], "file:///run/clove%20sdk.js");
    strictEqual(imports["jsr:@clove/sdk@^0.1"], "file:///run/clove%20sdk.js");
  });
});

Deno.test("a project's other imports are kept, relative ones made absolute", async () => {
  const config = '{"imports":{"lib/":"./lib/","zod":"npm:zod@4"},"scopes":{"./x/":{"y":"./y.ts"}}}';
  await withFiles({ "deno.json": config, "agent.ts": "" }, async (root) => {
    const map = mapOf(await importMapFor(await findProject(`${root}/agent.ts`), "/sdk.js"));
    strictEqual(map.imports["lib/"], `file://${root}/lib/`);
    strictEqual(map.imports.zod, "npm:zod@4");
    strictEqual(map.imports["@clove/sdk"], "file:///sdk.js");
    deepStrictEqual(map.scopes, { [`file://${root}/x/`]: { y: `file://${root}/y.ts` } });
  });
});

Deno.test("JSONC is JSON with comments and trailing commas, and strings stay whole", () => {
  deepStrictEqual(parseJsonc('{/* a */ "b": "// no ,] comment \\" /*", // c\n "d": [1, 2,\n],}'), {
    b: '// no ,] comment " /*',
    d: [1, 2],
  });
});
