import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { DEFAULT_SOCKET, type KernelOptions, OptionError, parseOptions, parseWalls } from "./options.ts";

const HOME = { HOME: "/home/ada" };

function options(args: string[], environment: Record<string, string> = HOME): KernelOptions {
  const parsed = parseOptions(args, environment);
  if (parsed.show !== null) throw new Error(`shows ${parsed.show}`);
  return parsed.options;
}

Deno.test("unknown options and values are refused, and the message says what is allowed", () => {
  throws(() => options(["--sokcet", "/x"]), OptionError);
  throws(
    () => options(["--log-level", "loud"]),
    /Cannot use --log-level "loud": choose from debug, info, warn, error/,
  );
  throws(() => options(["--require", "moat"]), /"moat": it is no wall/);
  throws(() => options(["/a", "/b"]), OptionError);
  throws(() => options(["--socket", "/a", "/b"]), OptionError);
  throws(() => options(["--data", "/d", "--ephemeral"]), /choose one/);
  throws(() => options(["--no-sandbox", "--require", "seccomp"]), /without a sandbox there are no walls/);
  throws(() => options([], {}), /HOME is not set/);
});

Deno.test("defaults are the original's socket, durable state, a sandbox and operators who may do everything", () => {
  deepStrictEqual(options([]), {
    socket: DEFAULT_SOCKET,
    data: "/home/ada/.local/state/clove",
    sandbox: true,
    require: [],
    operatorLevel: "unrestricted",
    metrics: null,
    logLevel: "info",
    logFormat: "text",
  });
});

Deno.test("the command line wins over the environment, which wins over defaults", () => {
  const environment = {
    ...HOME,
    CLOVE_SOCKET: "/env.sock",
    CLOVE_DATA_DIR: "/env",
    CLOVE_LOG_LEVEL: "debug",
  };
  strictEqual(options([], environment).socket, "/env.sock");
  strictEqual(options([], environment).logLevel, "debug");
  strictEqual(options(["--socket", "/arg.sock"], environment).socket, "/arg.sock");
  strictEqual(options(["--ephemeral"], environment).data, null);
  strictEqual(options(["--data", "/arg"], { ...environment, CLOVE_EPHEMERAL: "1" }).data, "/arg");
  strictEqual(options([], { ...HOME, CLOVE_EPHEMERAL: "1" }).data, null);
});

Deno.test("a bare path is the socket, as the original takes it", () => {
  strictEqual(options(["/bare.sock"]).socket, "/bare.sock");
});

Deno.test("walls are named one by one or in groups", () => {
  deepStrictEqual(parseWalls(["namespaces", "seccomp", "pid"]), [
    "pid",
    "mount",
    "net",
    "uts",
    "ipc",
    "seccomp",
  ]);
  strictEqual(parseWalls(["all"]).length, 10);
});
