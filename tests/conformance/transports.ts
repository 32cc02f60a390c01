/**
 * One list of cases, every transport: each case gets a kernel and a way to open connections to it.
 *
 * @module
 */
import { type Kernel, startKernel, type StartOptions } from "../../kernel/main.ts";
import { RawClient } from "../raw_client.ts";

/** What a case gets. */
export interface Stage {
  readonly kernel: Kernel;
  /** Opens another operator's connection. */
  connect(): Promise<RawClient>;
}

/** Registers a case once for each transport. */
export function conforms(
  name: string,
  run: (stage: Stage) => Promise<void>,
  options: StartOptions = {},
): void {
  const settings: StartOptions = { sandbox: false, logLevel: "error", onLog: () => {}, ...options };
  Deno.test(`memory: ${name}`, async () => {
    await using kernel = await startKernel(settings);
    await using open = new AsyncDisposableStack();
    await run({ kernel, connect: () => Promise.resolve(open.use(new RawClient(kernel.connect()))) });
  });
  Deno.test({
    name: `socket: ${name}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
      try {
        await using kernel = await startKernel({ ...settings, socket: `${directory}/clove.sock` });
        await using open = new AsyncDisposableStack();
        const connect = async () => {
          return open.use(new RawClient(await Deno.connect({ transport: "unix", path: kernel.socket! })));
        };
        await run({ kernel, connect });
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}
