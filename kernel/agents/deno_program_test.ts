import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { fileNeed, Policy, weigh } from "../../permissions/mod.ts";
import { denoArgv, type DenoProgram } from "./deno_program.ts";
import { readsFiles, requestedPolicy, withPlaces } from "./policy_of.ts";

const program = (more: Partial<DenoProgram> = {}): DenoProgram => ({
  deno: "/usr/bin/deno",
  script: "/p/a.ts",
  args: ["-A", "--allow-all"],
  policy: Policy.level("sandboxed"),
  cwd: "/work",
  readable: ["/work", "/tmp"],
  writable: ["/work", "/tmp"],
  renamed: new Map(),
  variables: ["CLOVE_FD"],
  config: null,
  importMap: null,
  ...more,
});
const value = (argv: readonly string[], flag: string) =>
  argv.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1);

Deno.test("arguments of the script never become flags of Deno", () => {
  const argv = denoArgv(program());
  deepStrictEqual(argv.slice(argv.indexOf("/p/a.ts")), ["/p/a.ts", "-A", "--allow-all"]);
});

Deno.test("a minimal agent gets no file, no network, and only the variables it was given", () => {
  const argv = denoArgv(program({ policy: Policy.level("minimal"), args: [] }));
  deepStrictEqual(argv.filter((word) => word.startsWith("--allow")), ["--allow-env=CLOVE_FD"]);
  ok(argv.includes("--no-prompt") && argv.includes("--no-remote") && argv.includes("--no-config"));
});

Deno.test("the policy's names become the process's own where there are no mounts, commas and all", () => {
  const argv = denoArgv(
    program({ renamed: new Map([["/work", "/run/a,b/work"], ["/tmp", "/run/a,b/tmp"]]) }),
  );
  strictEqual(value(argv, "--allow-read"), "/run/a,,b/tmp,/run/a,,b/work");
  ok(!denoArgv(program()).some((word) => word.includes("/run/")));
  ok(value(argv, "--deny-read")!.split(",").every((path) => !path.startsWith("/work/")));
});

Deno.test("a project below the old name of a tree stays readable under its own", () => {
  const renamed = new Map([["/tmp", "/run/tmp"]]);
  const argv = denoArgv(program({ renamed, readable: ["/work", "/tmp", "/tmp/project"] }));
  strictEqual(value(argv, "--allow-read"), "/run/tmp,/work,/tmp/project");
  strictEqual(value(argv, "--allow-write"), "/run/tmp,/work");
});

Deno.test("variables join those the policy allows", () => {
  const policy = Policy.parse(["env:LANG"]);
  strictEqual(value(denoArgv(program({ policy })), "--allow-env"), "LANG,CLOVE_FD");
  ok(denoArgv(program({ policy: Policy.level("unrestricted") })).includes("--allow-env"));
});

Deno.test("a rule that cannot be read is refused", () => {
  throws(() => requestedPolicy({ policy: ["fs.raed:/x"] }), /invalid request: .*unknown capability/s);
});

Deno.test("rules alone mean exactly those; with a level they are added; neither is sandboxed", () => {
  const may = (policy: Policy, path: string) => weigh(policy, fileNeed("fs.read", path)).allowed;
  const alone = requestedPolicy({ policy: ["fs.read:/srv/**"] });
  deepStrictEqual([may(alone, "/srv/x"), may(alone, "/work/x")], [true, false]);
  const both = requestedPolicy({ level: "sandboxed", policy: "fs.read:/srv/**\ndeny fs.read:/work/secret" });
  deepStrictEqual([may(both, "/srv/x"), may(both, "/work/x"), may(both, "/work/secret")], [
    true,
    true,
    false,
  ]);
  strictEqual(requestedPolicy({}).level, "sandboxed");
});

Deno.test("given places are added to every layer, with all below them, and unrestricted stays what it is", () => {
  const may = (policy: Policy, path: string) => weigh(policy, fileNeed("fs.read", path)).allowed;
  const layered = Policy.parse("level:sandboxed\nand\nlevel:minimal\nfs.read:/tmp/**");
  const places = [
    { path: '/data/a b "c*"', mode: "ro", directory: true },
    { path: "/one.txt", mode: "ro", directory: false },
  ] as const;
  const given = withPlaces(layered, places);
  deepStrictEqual(
    ['/data/a b "c*"/x', '/data/a b "cd"/x', "/one.txt", "/one.txt/x", "/work/x"].map((path) =>
      may(given, path)
    ),
    [true, false, true, false, false],
  );
  strictEqual(withPlaces(Policy.level("unrestricted"), places).level, "unrestricted");
});

Deno.test("whoever may not read its work directory is not given its program to read", () => {
  deepStrictEqual([readsFiles(Policy.level("minimal")), readsFiles(Policy.level("sandboxed"))], [
    false,
    true,
  ]);
});

Deno.test("an agent may connect to its own socket, beside what its policy allows", () => {
  const socket = "/run/clove/clove.sock";
  const without = denoArgv(program({ socket: null }));
  ok(!without.some((word) => word.includes(socket)));
  const minimal = denoArgv(program({ socket, policy: Policy.level("minimal") }));
  deepStrictEqual(minimal.filter((word) => word.includes(socket)).toSorted(), [
    `--allow-net=unix:${socket}`,
    `--allow-read=${socket}`,
    `--allow-write=${socket}`,
  ]);
  const argv = denoArgv(
    program({ socket, policy: Policy.parse(["fs.read:/work/", "net:https://a.example"]) }),
  );
  strictEqual(value(argv, "--allow-read"), `/work,${socket}`);
  strictEqual(
    value(argv, "--allow-net"),
    `${
      value(
        denoArgv(program({
          policy: Policy.parse(["net:https://a.example"]),
        })),
        "--allow-net",
      )
    },unix:${socket}`,
  );
  const all = denoArgv(program({ socket, policy: Policy.level("unrestricted") }));
  ok(all.includes("--allow-read") || value(all, "--allow-read")!.endsWith(socket));
});
