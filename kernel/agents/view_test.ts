import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import type { View } from "../../worlds/view.ts";
import { findPlace, hostView } from "./view.ts";

async function withTree(test: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.mkdir(`${root}/work/sub`, { recursive: true });
    await Deno.mkdir(`${root}/other`);
    await Deno.writeTextFile(`${root}/work/sub/a.txt`, "a");
    await Deno.writeTextFile(`${root}/other/secret`, "s");
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const viewOf = (root: string): View => ({
  cwd: "/work",
  mounts: [{ inside: "/work", outside: `${root}/work`, mode: "rw" }],
});
const missing = (pattern: RegExp) => (error: Error & { code?: string }) =>
  error.code === "not_found" && pattern.test(error.message);

Deno.test("what is outside of the view does not exist, however it is spelled", async () => {
  await withTree(async (root) => {
    const view = viewOf(root);
    for (
      const path of [
        "/etc/passwd",
        "../other/secret",
        "/work/../etc/passwd",
        "/workshop",
        `${root}/other/secret`,
      ]
    ) {
      await rejects(findPlace(view, path), missing(/outside of what the agent sees/), path);
    }
    await rejects(findPlace(view, "a\0b"), /NUL/);
  });
});

Deno.test("a link that leads out is not followed", async () => {
  await withTree(async (root) => {
    await Deno.symlink(`${root}/other`, `${root}/work/out`);
    await rejects(findPlace(viewOf(root), "/work/out/secret"), missing(/leads out/));
  });
});

Deno.test("a path is found under both names, links resolved", async () => {
  await withTree(async (root) => {
    await Deno.symlink("sub", `${root}/work/link`);
    deepStrictEqual(await findPlace(viewOf(root), "link/a.txt"), {
      inside: "/work/sub/a.txt",
      outside: `${root}/work/sub/a.txt`,
      mode: "rw",
      root: `${root}/work`,
    });
    strictEqual((await findPlace(viewOf(root), ".")).inside, "/work");
  });
});

Deno.test("a view of the host changes no name, and the longest mount wins", async () => {
  await withTree(async (root) => {
    strictEqual((await findPlace(hostView(root), "work/sub")).inside, `${root}/work/sub`);
    const both: View = {
      cwd: "/",
      mounts: [{ inside: "/", outside: "/", mode: "rw" }, {
        inside: "/work",
        outside: `${root}/work`,
        mode: "ro",
      }],
    };
    strictEqual((await findPlace(both, "/work/sub")).mode, "ro");
    strictEqual((await findPlace(both, root)).inside, root);
    strictEqual((await findPlace(both, "/")).outside, "/");
  });
});
