import { match, ok, strictEqual } from "node:assert/strict";
import { Authority, Policy } from "../../permissions/mod.ts";
import { judge, type Judgement, type Subject } from "./judge.ts";
import type { Places } from "./places.ts";

/** What an agent with a mount namespace sees: everything under the names that policies use. */
const MOUNTED: Places = {
  cwd: "/work",
  tmp: "/tmp",
  trees: [
    { seen: "/work", named: "/work", mode: "rw" },
    { seen: "/tmp", named: "/tmp", mode: "rw" },
    { seen: "/srv/project", named: "/srv/project", mode: "ro" },
  ],
  own: ["/run/clove/deno"],
  taken: [],
  links: false,
};

function subject(rules: string | readonly string[], more: Partial<Subject> = {}): Subject {
  return {
    authority: new Authority(Policy.parse(rules)),
    name: "worker",
    places: MOUNTED,
    variables: new Set(["CLOVE_FD"]),
    socket: null,
    proxied: false,
    ...more,
  };
}

function ask(
  of: Subject,
  permission: string,
  value: string | null,
  cwd: string | null = "/work",
): Judgement {
  return judge(of, { id: 1, version: 1, permission, value }, () => cwd, 0);
}

function refuses(judgement: Judgement, reason: RegExp): void {
  strictEqual(judgement.allowed, false);
  match(judgement.reason, reason);
}

const ALL = subject("level:unrestricted");

Deno.test("all of a permission at once is refused, whatever the agent holds", () => {
  for (const permission of ["read", "write", "net", "env", "sys", "run", "ffi", "import"]) {
    refuses(ask(ALL, permission, null), /^Cannot have all of ".+" at once: ask for the one you need$/);
  }
});

Deno.test("an unknown permission and an unknown version are refused", () => {
  refuses(ask(ALL, "teleport", "x"), /^Cannot judge "teleport"/);
  refuses(ask(ALL, "", "x"), /^Cannot judge ""/);
  refuses(judge(ALL, { id: 1, version: 2, permission: "env", value: "X" }, () => "/", 0), /version 2/);
});

Deno.test("paths are judged from where the process is, without dots", () => {
  const held = subject(["fs.read:/work/**", "deny fs.read:/work/secret/**", "fs.write:/work/out/**"]);
  refuses(ask(held, "read", "../etc/shadow"), /outside of what the agent was given/);
  refuses(ask(held, "read", "/work/../etc/shadow"), /outside/);
  refuses(ask(held, "read", "a/../secret/x"), /deny fs\.read/);
  refuses(ask(held, "read", "x", "/work/secret"), /deny fs\.read/);
  refuses(ask(held, "read", "x", null), /nobody knows which directory/);
  refuses(ask(held, "read", "/work/a\0b"), /NUL/);
  refuses(ask(held, "write", "x"), /fs\.write allows \/work\/out/);
  refuses(ask(held, "read", "/tmp/x"), /; to allow it: clove perms grant worker fs\.read:\/tmp\/x$/);
  ok(ask(held, "read", "a//b/./c").allowed);
  ok(ask(held, "read", "").allowed, "Deno's word for the directory itself");
  ok(ask(held, "read", "/work/x", null).allowed, "a whole path needs no directory");
  ok(ask(held, "write", "out/x").allowed);
  ok(ask(held, "write", "x", "/work/out").allowed);
});

Deno.test("what was given for reading is not written, and what was not given is not read, by any rule", () => {
  refuses(ask(ALL, "write", "/srv/project/x"), /for reading only/);
  refuses(ask(ALL, "read", "/etc/shadow"), /outside/);
  refuses(ask(ALL, "read", "/workshop"), /outside/);
  ok(ask(ALL, "read", "/srv/project/x").allowed);
});

Deno.test("Deno's own cache and harmless devices need no rule, what lies beside them does", () => {
  const held = subject("fs.read:/nothing");
  refuses(ask(held, "read", "/dev/mem"), /outside/);
  refuses(ask(held, "write", "/run/clove/deno/x"), /outside/);
  refuses(ask(held, "read", "/run/clove/deno/../broker.sock"), /outside/);
  refuses(ask(held, "read", "../dev/urandom"), /outside/);
  ok(ask(held, "read", "/run/clove/deno/npm/x.js").allowed);
  ok(ask(held, "read", "/dev/urandom").allowed);
  ok(ask(held, "write", "/dev/null").allowed);
});

Deno.test("Deno's word for the directory of temporary files means the agent's own", () => {
  refuses(ask(subject("fs.write:/work/**"), "write", "<TMP>"), /\/tmp/);
  ok(ask(subject("fs.write:/tmp/**"), "write", "<TMP>", null).allowed);
});

Deno.test("a variable is seen when it was given or a rule allows it", () => {
  refuses(ask(subject("env:LANG"), "env", "HOME"), /^Cannot see the variable "HOME"/);
  refuses(ask(subject("env:LANG"), "env", "CLOVE_FD\u202e"), /env allows LANG/);
  ok(ask(subject("env:LANG"), "env", "LANG").allowed);
  ok(ask(subject([]), "env", "CLOVE_FD").allowed);
});

Deno.test("hosts are judged with their port; a path or method that nobody sees allows nothing", () => {
  const held = subject(["net:https://api.example.com", "net:https://web.example.com GET", "net:127.0.0.1"]);
  refuses(ask(held, "net", "api.example.com:80"), /net allows/);
  refuses(ask(held, "net", "api.example.com.evil.net:443"), /net allows/);
  refuses(ask(held, "net", "web.example.com:443"), /limits methods or paths/);
  refuses(ask(held, "net", "10.0.0.1:443"), /net allows/);
  refuses(ask(held, "net", "127.0.0.2:80"), /net allows/);
  refuses(ask(held, "net", "[::ffff:10.0.0.1]:443"), /net allows/);
  for (const value of ["", "api.example.com", "api.example.com:", ":443", "a:99999", "a:-1", "a b:443"]) {
    refuses(ask(held, "net", value), /^Cannot /);
  }
  ok(ask(held, "net", "api.example.com:443").allowed);
  ok(ask(held, "net", "127.0.0.1:8080").allowed);
  ok(ask({ ...held, proxied: true }, "net", "web.example.com:443").allowed, "the proxy will look again");
});

Deno.test("port 0 means any port, so it takes a rule for all of them", () => {
  refuses(ask(subject("net:127.0.0.1:8080"), "net", "127.0.0.1:0"), /net allows/);
  refuses(ask(subject("net:127.0.0.1:1"), "net", "127.0.0.1:0"), /net allows/);
  ok(ask(subject("net:127.0.0.1"), "net", "127.0.0.1:0").allowed);
});

Deno.test("a Unix socket is a file that is written", () => {
  refuses(ask(ALL, "net", "unix:/run/clove/clove.sock"), /outside/);
  refuses(ask(ALL, "net", "unix:\0abstract"), /NUL/);
  refuses(ask(subject("net:any"), "net", "unix:/work/x.sock"), /fs\.write/);
  ok(ask(ALL, "net", "unix:/work/x.sock").allowed);
});

Deno.test("a program is judged by its path; a name that could be any file is not", () => {
  const held = subject(["exec:git", "exec:ls -l", "deny exec:curl -o", "exec:curl"]);
  refuses(ask(held, "run", "git"), /could be any file of that name, write its whole path(, "\/.*\/git")?$/);
  refuses(ask(held, "run", "./git"), /exec allows/);
  refuses(ask(held, "run", "/work/git"), /exec allows/);
  refuses(ask(held, "run", "/usr/bin/../../work/git"), /exec allows/);
  refuses(ask(held, "run", "/usr/bin/ls"), /exec allows/);
  refuses(ask(held, "run", "/usr/bin/curl"), /deny exec:curl/);
  refuses(ask(held, "run", "rm"), /^Cannot run "rm": policy: exec allows/);
  ok(ask(held, "run", "/usr/bin/git").allowed);
  ok(ask(ALL, "run", "git").allowed, "where every program is allowed, any file of that name is");
  refuses(ask(subject(["level:standard", "exec:*"]), "run", "sudo"), /blocks "sudo"/);
});

Deno.test("modules from elsewhere need the network, libraries and facts of the machine what shells need", () => {
  refuses(ask(subject("net:http://example.com"), "import", "example.com:443"), /net allows/);
  ok(ask(subject("net:https://example.com"), "import", "example.com:443").allowed);
  refuses(ask(subject("level:standard"), "sys", "hostname"), /^Cannot ask the machine for "hostname": level/);
  refuses(ask(subject("level:standard"), "ffi", "libc.so.6"), /^Cannot load the library "\/work\/libc.so.6"/);
  ok(ask(subject("exec.shell:sys:hostname"), "sys", "hostname").allowed);
  refuses(ask(subject("exec.shell:sys:hostname"), "sys", "cpus"), /exec\.shell allows sys:hostname/);
  ok(ask(ALL, "ffi", "libc.so.6").allowed);
});

Deno.test("what is taken is refused from the next question on, and what is granted is allowed", () => {
  const held = subject("fs.read:/work/**");
  ok(ask(held, "read", "x").allowed);
  held.authority.lower(Policy.level("minimal"));
  refuses(ask(held, "read", "x"), /minimal/);
  const grant = held.authority.grant(Policy.parse("fs.read:/work/x"), { from: null, uses: 1 });
  strictEqual(ask(held, "read", "x").rule, `grant ${grant.id} by the operator: fs.read:/work/x`);
  refuses(ask(held, "read", "x"), /minimal/);
});

Deno.test("a counted grant of the network is spent by the proxy where there is one", () => {
  const held = subject([], { proxied: true });
  const grant = held.authority.grant(Policy.parse("net:https://example.com"), { from: null, uses: 1 });
  ok(ask(held, "net", "example.com:443").allowed);
  strictEqual(grant.usesLeft, 1);
  ok(ask({ ...held, proxied: false }, "net", "example.com:443").allowed);
  strictEqual(grant.usesLeft, 0);
});

Deno.test("what is repeated in a refusal has no line break, no escape and no end without bounds", () => {
  for (const permission of ["read", "write", "net", "env", "sys", "run", "ffi", "import", "x\n\u202e"]) {
    const { allowed, reason } = ask(subject("env:A"), permission, "\n\u001b[2J\u202e" + "y".repeat(5_000));
    strictEqual(allowed, false);
    // deno-lint-ignore no-control-regex
    ok(!/[\u0000-\u001f\u202e]/.test(reason), JSON.stringify(reason.slice(0, 200)));
  }
});

Deno.test("another's socket is refused; its own may be connected to, and nothing near it", () => {
  const socket = "/run/clove/clove.sock";
  const of = subject("level:minimal", { socket });
  refuses(ask(subject("level:minimal"), "net", `unix:${socket}`), /outside of what the agent was given/);
  refuses(ask(of, "net", "unix:/run/clove/other.sock"), /outside of what the agent was given/);
  refuses(ask(of, "read", "/run/clove"), /outside of what the agent was given/);
  for (const permission of ["read", "write"]) ok(ask(of, permission, socket).allowed);
  ok(ask(of, "net", `unix:${socket}`).allowed);
});
