/** The bytes of the loop are what its assembly says. */
import { deepStrictEqual } from "node:assert/strict";
import type { Arch } from "./arch.ts";
import { loopCode } from "./loop.ts";

const TOOLS: Readonly<Record<Arch, { readonly prefix: string; readonly source: string }>> = {
  x86_64: { prefix: Deno.build.arch === "x86_64" ? "" : "x86_64-linux-gnu-", source: "vm_x64.S" },
  aarch64: { prefix: Deno.build.arch === "aarch64" ? "" : "aarch64-linux-gnu-", source: "vm_arm64.S" },
};

for (const arch of ["x86_64", "aarch64"] as const) {
  const { prefix, source } = TOOLS[arch];
  Deno.test({
    name: `the loop's bytes for ${arch} are what ${source} assembles to`,
    ignore: !(await installed(`${prefix}as`)) || !(await installed(`${prefix}objcopy`)),
    async fn() {
      const directory = await Deno.makeTempDir();
      try {
        const object = `${directory}/loop.o`;
        const binary = `${directory}/loop.bin`;
        await run(`${prefix}as`, "-o", object, new URL(source, import.meta.url).pathname);
        await run(`${prefix}objcopy`, "-O", "binary", "-j", ".text", object, binary);
        deepStrictEqual(loopCode(arch), await Deno.readFile(binary));
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

async function installed(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
