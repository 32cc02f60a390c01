import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { compileDenoFlags, LEVELS, Policy } from "./mod.ts";

const VIEW = { cwd: "/work", readable: ["/"], writable: ["/work", "/tmp"] };
const flags = (...rules: string[]) => compileDenoFlags(Policy.parse(rules), VIEW);
const NO_IMPORTS = ["--no-remote", "--no-npm", "--cached-only"];

Deno.test("nothing is granted that is not named, and never everything", () => {
  deepStrictEqual(flags(""), ["--no-prompt", ...NO_IMPORTS]);
  for (const level of LEVELS) {
    for (const flag of compileDenoFlags(Policy.level(level), VIEW)) {
      ok(!/^-A$|^--allow-all/.test(flag), `${level}: ${flag}`);
    }
  }
  for (const level of ["standard", "sandboxed", "readonly", "minimal"] as const) {
    const list = compileDenoFlags(Policy.level(level), VIEW);
    for (const word of ["net", "run", "ffi", "sys", "env", "import"]) {
      ok(!list.some((flag) => flag.startsWith(`--allow-${word}`)), `${level} has ${word}`);
    }
  }
  deepStrictEqual(compileDenoFlags(Policy.level("minimal"), VIEW), ["--no-prompt", ...NO_IMPORTS]);
});

Deno.test("files are granted where policy and view meet, blocks are denied", () => {
  const read = (rules: string[], readable: string[]) =>
    compileDenoFlags(Policy.parse(rules), { ...VIEW, readable }).filter((flag) => flag.includes("-read"));
  deepStrictEqual(read(["fs.read:/**"], ["/work", "/usr"]), ["--allow-read=/usr,/work"]);
  deepStrictEqual(read(["fs.read:/work/src/**", "fs.read:/etc/hosts"], ["/work"]), [
    "--allow-read=/work/src",
  ]);
  deepStrictEqual(read(["fs.read:/work/*/x"], ["/work"]), [], "a pattern cannot be said");
  deepStrictEqual(read(["fs.read:/work/**", "deny fs.read:/work/x/a,b/**"], ["/work"]), [
    "--allow-read=/work",
    "--deny-read=/work/x",
  ]);
  deepStrictEqual(
    read(["fs.read:/work/a/b/**", "deny fs.read:/work/a/**"], ["/work"]),
    [],
    "Deno lets the narrower allow win",
  );
  deepStrictEqual(read(["fs.read:/home/ann/.ssh/x", "blocks:paths"], ["/"]), []);
  deepStrictEqual(read(["fs.read:/work/a,b/**"], ["/work"]), [], "a comma cannot be said");
  const [, denied] = read(["level:sandboxed"], ["/work"]);
  for (const path of ["/etc/shadow", "/root/.ssh", "/work/.env", "/work/.git/config"]) {
    ok(denied!.includes(path), `${path} in ${denied}`);
  }
});

Deno.test("of the network only what can be said exactly is granted", () => {
  const net = (...rules: string[]) => flags(...rules).filter((flag) => flag.includes("-net"));
  deepStrictEqual(net("net:https://x.org GET"), []);
  deepStrictEqual(net("net:https://x.org /repos/**"), []);
  deepStrictEqual(net("net:*:443"), []);
  deepStrictEqual(net("net:fd00::/8"), []);
  deepStrictEqual(net("net:https://x.org", "net:[::1]:80", "net:10.0.0.0/8"), [
    "--allow-net=10.0.0.0/8,[::1]:80,x.org:443",
  ]);
  deepStrictEqual(net("net:*.x.org:443"), ["--allow-net=*.x.org:443", "--deny-net=x.org,x.org:443"]);
  deepStrictEqual(net("net:*.x.org", "net:x.org"), ["--allow-net=*.x.org,x.org"]);
  deepStrictEqual(net("net:x.org", "deny net:fd00::/8"), [], "a deny that cannot be said takes all");
  deepStrictEqual(net("net:a.x.org:443", "net:10.0.0.1:80", "deny net:*.x.org", "deny net:10.0.0.0/8"), []);
  deepStrictEqual(net("net:*.x.org:443", "net:x.org", "deny net:b.x.org"), [
    "--allow-net=*.x.org:443,x.org",
    "--deny-net=b.x.org,b.x.org:443",
  ]);
  const [allow, deny] = net("net:*");
  strictEqual(allow, "--allow-net");
  for (const place of ["localhost", "127.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16", "[::1]"]) {
    ok(deny!.includes(place));
  }
  deepStrictEqual(net("level:unrestricted"), ["--allow-net"]);
});

Deno.test("of programs and variables only what can be said exactly is granted", () => {
  const run = (...rules: string[]) => flags(...rules).filter((flag) => flag.includes("-run"));
  deepStrictEqual(run("exec:git status*"), []);
  deepStrictEqual(run("exec:git", "exec:/opt/x"), ["--allow-run=/opt/x,git"]);
  deepStrictEqual(run("exec:*", "deny exec:git push"), ["--allow-run", "--deny-run=git"]);
  deepStrictEqual(run("exec:*", "deny exec:*"), []);
  deepStrictEqual(run("exec:/usr/bin/git", "exec:ls", "deny exec:git push"), [
    "--allow-run=ls",
    "--deny-run=git",
  ]);
  deepStrictEqual(run("exec:sudo", "exec:/usr/bin/su", "blocks:commands"), []);
  const env = (...rules: string[]) => flags(...rules).filter((flag) => flag.includes("-env"));
  deepStrictEqual(env("env:HOME", "env:LC_*", "env:?X"), ["--allow-env=HOME,LC_*"]);
  deepStrictEqual(env("env:*", "deny env:*_KEY"), [], "a deny that cannot be said takes all");
  deepStrictEqual(env("env:LC_ALL", "env:LC_A*", "deny env:LC_*"), []);
  deepStrictEqual(env("env:*", "deny env:AWS_*"), ["--allow-env", "--deny-env=AWS_*"]);
});

Deno.test("modules come from where the network is granted", () => {
  const imports = (...rules: string[]) =>
    flags(...rules).filter((flag) => /^--(?:allow-import|no-remote|no-npm|cached-only)/.test(flag));
  deepStrictEqual(imports("net:https://x.org GET"), NO_IMPORTS);
  deepStrictEqual(imports("net:https://jsr.io"), ["--no-npm", "--allow-import=jsr.io:443"]);
  deepStrictEqual(imports("net:https://registry.npmjs.org"), ["--allow-import=registry.npmjs.org:443"]);
  deepStrictEqual(imports("net:*"), []);
  deepStrictEqual(imports("net:*", "deny net:jsr.io"), ["--no-remote"]);
  deepStrictEqual(imports("level:unrestricted"), ["--allow-import"]);
});

Deno.test("Deno itself understands the flags as they are meant", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/sub/a,b`, { recursive: true });
    for (const name of ["open.txt", ".env", "sub/a,b/c.txt"]) await Deno.writeTextFile(`${dir}/${name}`, "x");
    const script = `
      const state = async (d) => (await Deno.permissions.query(d)).state === "granted";
      const read = (path) => { try { Deno.readTextFileSync(path); return true; } catch { return false; } };
      console.log(JSON.stringify({
        files: ["open.txt", ".env", "sub/a,b/c.txt"].map((name) => read("${dir}/" + name)).concat(read("/etc/passwd")),
        net: await Promise.all(["a.x.org:443", "x.org:443", "a.x.org:80", "10.9.9.9:1", "11.0.0.1:1"]
          .map((host) => state({ name: "net", host }))),
        run: await Promise.all(["git", "sh"].map((command) => state({ name: "run", command }))),
        env: await Promise.all(["LC_ALL", "HOME"].map((variable) => state({ name: "env", variable }))),
      }));`;
    await Deno.writeTextFile(`${dir}/main.js`, script);
    const policy = Policy.parse([
      `fs.read:${dir}/**`,
      "blocks:paths",
      `deny fs.read:"${dir}/sub/a,b/**"`,
      "net:*.x.org:443",
      "net:10.0.0.0/8",
      "exec:git",
      "env:LC_*",
    ]);
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-lock",
        "--no-config",
        ...compileDenoFlags(policy, { cwd: dir, readable: ["/"], writable: [] }),
        `${dir}/main.js`,
      ],
      cwd: dir,
      env: { NO_COLOR: "1" },
    }).output();
    ok(success, new TextDecoder().decode(stderr));
    deepStrictEqual(JSON.parse(new TextDecoder().decode(stdout)), {
      files: [true, false, false, false],
      net: [true, false, false, true, false],
      run: [true, false],
      env: [true, false],
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
