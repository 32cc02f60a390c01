import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { lacks } from "../tests/facilities.ts";
import { type Check, FileError, type Files, HostFiles, type View } from "./files.ts";

const LIMIT = { limit: 1_000 };
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const utf8 = (content: string): Uint8Array => new TextEncoder().encode(content);
const allow: Check = () => {};
const code = (word: string, message = /./) => (error: unknown): boolean =>
  error instanceof FileError && error.code === word && message.test(error.message);

/** A view of two directories beside one that is not shown. */
class Rig implements Disposable {
  readonly top = Deno.makeTempDirSync({ prefix: "clove-files-" });
  readonly work = `${this.top}/work`;
  readonly data = `${this.top}/data`;
  readonly outside = `${this.top}/outside`;
  readonly view: View;
  readonly host: View = { cwd: this.top, mounts: null };
  readonly files: Files = new HostFiles();

  constructor() {
    for (const dir of [this.work, this.data, this.outside, `${this.work}/sub`]) Deno.mkdirSync(dir);
    Deno.writeTextFileSync(`${this.work}/a.txt`, "inside");
    Deno.writeTextFileSync(`${this.data}/d.txt`, "data");
    Deno.writeTextFileSync(`${this.outside}/secret`, "secret");
    this.view = {
      cwd: "/work",
      mounts: [
        { inside: "/work", outside: this.work, mode: "rw" },
        { inside: "/mnt/data", outside: this.data, mode: "ro" },
        { inside: "/work/deep", outside: this.data, mode: "rw" },
      ],
    };
  }

  async read(path: string, view = this.view, check = allow): Promise<string> {
    return text((await this.files.read({ view, path, check }, { maxBytes: 8 << 20 })).bytes);
  }

  write(
    path: string,
    content: string,
    mode: "replace" | "append" = "replace",
    view = this.view,
    check = allow,
  ) {
    return this.files.write({ view, path, check }, utf8(content), { mode });
  }

  target(path: string, check = allow) {
    return { view: this.view, path, check };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.top, { recursive: true });
  }
}

/** Open descriptors of this process. */
const descriptors = (): number =>
  Deno.build.os === "linux" ? [...Deno.readDirSync("/proc/self/fd")].length : 0;

Deno.test("what no mount shows does not exist, and the refusal says what is shown", async () => {
  using rig = new Rig();
  for (
    const path of [
      "/etc/passwd",
      "/",
      "..",
      "/work/../etc/hostname",
      `${rig.outside}/secret`,
      "/worker",
      "/mnt",
    ]
  ) {
    await rejects(
      rig.read(path),
      (error) => code("not_found")(error) || code("conflict", /is a directory/)(error),
      path,
    );
  }
  await rejects(rig.read("/etc/passwd"), code("not_found", /what is shown here: \/work, \/mnt\/data/));
  await rejects(rig.write("/etc/x", "x"), code("not_found"));
  await rejects(rig.write("/x", "x"), code("not_found"));
  await rejects(
    rig.read("/work/nothing"),
    code("not_found", /^Cannot read "\/work\/nothing": there is no such file/),
  );
  const empty: View = { cwd: "/", mounts: [] };
  await rejects(rig.read("/work/a.txt", empty), code("not_found", /nothing of the machine is shown/));
  strictEqual(await rig.read("a.txt"), "inside");
  strictEqual(await rig.read("/work//sub/../a.txt"), "inside");
  strictEqual(await rig.read("/mnt/data/d.txt"), "data");
  strictEqual(await rig.read("deep/d.txt"), "data");
  strictEqual(await rig.read("work/a.txt", rig.host), "inside");
});

Deno.test("paths that are none are refused", async () => {
  using rig = new Rig();
  await rejects(rig.read(""), code("bad_request", /^path required$/));
  for (const path of ["a\0b", "x".repeat(5_000), "\ud800", `${"x".repeat(300)}`]) {
    await rejects(rig.read(path), code("bad_request"));
  }
});

Deno.test("links lead where they lead inside, and never out", async () => {
  using rig = new Rig();
  Deno.symlinkSync("../../outside/secret", `${rig.work}/up`);
  Deno.symlinkSync(`${rig.outside}/secret`, `${rig.work}/abs`);
  Deno.symlinkSync(rig.outside, `${rig.work}/dir`);
  Deno.symlinkSync("loop", `${rig.work}/loop`);
  Deno.symlinkSync("../../../../../../etc", `${rig.work}/sub/etc`);
  for (const path of ["up", "abs", "dir/secret", "loop", "sub/etc/hostname"]) {
    await rejects(rig.read(path), code("not_found"), path);
  }
  for (const path of ["up", "abs", "dir/new", "loop"]) {
    await rejects(rig.write(path, "x"), code("not_found"), path);
  }
  strictEqual(readFileSync(`${rig.outside}/secret`, "utf8"), "secret");
  ok(!existsSync(`${rig.outside}/new`));

  Deno.symlinkSync("/work/a.txt", `${rig.data}/to-work`); // Means nothing on the host.
  Deno.symlinkSync("../mnt/data/d.txt", `${rig.work}/over`);
  Deno.symlinkSync("sub/../a.txt", `${rig.work}/near`);
  Deno.symlinkSync("/work/sub", `${rig.work}/s`);
  strictEqual(await rig.read("/mnt/data/to-work"), "inside");
  strictEqual(await rig.read("over"), "data");
  strictEqual(await rig.read("s/../near"), "inside");
  const { path } = await rig.write("s/new.txt", "through a link of ours");
  strictEqual(path, "/work/sub/new.txt");
  strictEqual(readFileSync(`${rig.work}/sub/new.txt`, "utf8"), "through a link of ours");
  await rig.write("near", "changed");
  strictEqual(readFileSync(`${rig.work}/a.txt`, "utf8"), "changed");
  ok(Deno.lstatSync(`${rig.work}/near`).isSymlink, "the link itself stays");
});

Deno.test("both the path as given and the one it leads to are weighed, the given one before anything is looked at", async () => {
  using rig = new Rig();
  Deno.symlinkSync("sub/real", `${rig.work}/link`);
  Deno.writeTextFileSync(`${rig.work}/sub/real`, "x");
  const asked: string[] = [];
  const note: Check = (access, inside) => void asked.push(`${access} ${inside}`);
  await rig.read("link", rig.view, note);
  await rig.write("link", "y", "replace", rig.view, note);
  await rig.write("link", "y", "append", rig.view, note);
  const both = ["/work/link", "/work/sub/real"];
  deepStrictEqual(
    asked,
    ["read", "write", "write"].flatMap((access) => both.map((path) => `${access} ${path}`)),
  );
  const refuse = (what: string): Check => (_access, inside) => {
    if (inside === what) throw new RangeError("no");
  };
  for (const path of both) {
    await rejects(rig.read("link", rig.view, refuse(path)), RangeError);
    await rejects(rig.write("link", "z", "replace", rig.view, refuse(path)), RangeError);
  }
  await rejects(
    rig.read("missing", rig.view, refuse("/work/missing")),
    RangeError,
    "no oracle of what exists",
  );
  strictEqual(await rig.read("link"), "yy");
});

Deno.test("only regular files are read and written, and nothing hangs on a FIFO", async () => {
  using rig = new Rig();
  if (Deno.build.os !== "windows") new Deno.Command("mkfifo", { args: [`${rig.work}/fifo`] }).outputSync();
  const before = descriptors();
  for (const path of ["fifo", "sub", "/work"]) {
    await rejects(rig.read(path), code("conflict", /no regular file|is a directory/), path);
    await rejects(rig.write(path, "x"), code("conflict"), path);
    await rejects(rig.write(path, "x", "append"), code("conflict"), path);
  }
  await rejects(rig.read("/dev/zero", rig.host), code("conflict", /no regular file/));
  await rejects(rig.write("/dev/null", "x", "replace", rig.host), code("denied"));
  await rejects(rig.write("/proc/sys/kernel/hostname", "x", "append", rig.host), code("denied"));
  strictEqual(descriptors(), before, "descriptors leaked");
});

Deno.test({
  name: "aliases of /proc lead nowhere",
  ignore: lacks("linux"),
  async fn() {
    using rig = new Rig();
    using file = Deno.openSync(`${rig.outside}/secret`);
    void file;
    const aliases = [
      `/proc/self/root${rig.outside}/secret`,
      `/proc/${Deno.pid}/cwd/x`,
      "/dev/fd/0",
      "/proc/self/environ",
    ];
    for (const path of aliases) await rejects(rig.read(path), code("not_found"), path);
    await rejects(rig.read("/proc/self/environ", rig.host), code("denied", /processes/));
    await rejects(rig.read("/proc/1/environ", rig.host), code("denied", /processes/));
    // On the host an alias is what it leads to, and is weighed as that.
    const seen: string[] = [];
    strictEqual(
      await rig.read(
        `/proc/self/root${rig.outside}/secret`,
        rig.host,
        (_access, inside) => void seen.push(inside),
      ),
      "secret",
    );
    strictEqual(seen.at(-1), `${rig.outside}/secret`);
    ok(
      (await rig.read("/proc/version", rig.host)).includes("Linux"),
      "files that do not know their length are read",
    );
  },
});

Deno.test("a hard link cannot be appended through, and is cut by a write", async () => {
  using rig = new Rig();
  Deno.linkSync(`${rig.outside}/secret`, `${rig.work}/hard`);
  await rejects(rig.write("hard", "x", "append"), code("denied", /hard links/));
  await rig.write("hard", "mine");
  strictEqual(readFileSync(`${rig.outside}/secret`, "utf8"), "secret");
  strictEqual(readFileSync(`${rig.work}/hard`, "utf8"), "mine");
});

Deno.test("a read-only mount is not written to, nor are mounts removed or renamed", async () => {
  using rig = new Rig();
  await rejects(rig.write("/mnt/data/d.txt", "x"), code("denied", /mounted read-only/));
  Deno.symlinkSync("/mnt/data/d.txt", `${rig.work}/l`);
  await rejects(rig.write("l", "x"), code("denied", /mounted read-only/));
  await rejects(
    rig.files.remove(rig.target("/mnt/data/d.txt"), { recursive: true, ...LIMIT }),
    code("denied"),
  );
  await rejects(rig.files.mkdir(rig.target("/mnt/data/new"), { recursive: true }), code("denied"));
  for (const path of ["/work", "/work/deep", "/mnt", "/"]) {
    await rejects(rig.files.remove(rig.target(path), { recursive: true, ...LIMIT }), code("conflict"), path);
    await rejects(rig.files.rename(rig.target(path), rig.target("/work/x"), LIMIT), code("conflict"), path);
    await rejects(rig.files.rename(rig.target("/work/sub"), rig.target(path), LIMIT), code("conflict"), path);
  }
  strictEqual(readFileSync(`${rig.data}/d.txt`, "utf8"), "data");
});

Deno.test("what the kernel keeps for itself exists for nobody", async () => {
  using rig = new Rig();
  const files = new HostFiles({ reserved: [rig.outside] });
  const target = (path: string) => ({ view: rig.host, path, check: allow });
  const belongs = code("denied", /belongs to the kernel itself/);
  Deno.symlinkSync("outside", `${rig.top}/alias`);
  for (const path of ["outside/secret", "alias/secret", "outside"]) {
    await rejects(files.stat(target(path), { follow: true }), belongs, path);
  }
  await rejects(files.read(target("outside/secret"), { maxBytes: 10 }), belongs);
  await rejects(files.write(target("outside/new"), utf8("x"), { mode: "replace" }), belongs);
  await rejects(files.remove(target(rig.top), { recursive: true, ...LIMIT }), belongs);
  await rejects(files.rename(target("outside"), target("mine"), LIMIT), belongs);
  strictEqual(
    await files.stat(target("outsider"), { follow: true }).catch((error) => error.code),
    "not_found",
  );
});

Deno.test("a file over the limit is refused, one at the limit is read, byte for byte", async () => {
  using rig = new Rig();
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const large = new Uint8Array(5 << 20).map((_, i) => bytes[i & 65_535]! ^ (i >> 16));
  const target = rig.target("large");
  await rig.files.write(target, large, { mode: "replace" });
  await rejects(rig.files.read(target, { maxBytes: large.length - 1 }), code("limit"));
  const read = await rig.files.read(target, { maxBytes: large.length });
  ok(read.bytes.length === large.length && read.bytes.every((byte, i) => byte === large[i]));
  if (Deno.build.os === "linux") {
    const endless = { view: rig.host, path: "/proc/kallsyms", check: allow };
    await rejects(
      rig.files.read(endless, { maxBytes: 10_000 }),
      code("limit"),
      "a length of 0 is no promise",
    );
  }
  await Deno.writeTextFile(`${rig.work}/empty`, "");
  strictEqual(await rig.read("empty"), "");
});

Deno.test("append keeps the file, creates it when missing, and loses nothing when many append at once", async () => {
  using rig = new Rig();
  Deno.chmodSync(`${rig.work}/a.txt`, 0o640);
  const inode = statSync(`${rig.work}/a.txt`).ino;
  deepStrictEqual(await rig.write("a.txt", " and more", "append"), { path: "/work/a.txt", created: false });
  strictEqual(await rig.read("a.txt"), "inside and more");
  strictEqual(statSync(`${rig.work}/a.txt`).ino, inode);
  await Promise.all(Array.from({ length: 40 }, (_, i) => rig.write("log", `line ${i}\n`, "append")));
  strictEqual((await rig.read("log")).split("\n").length, 41);
});

Deno.test("a write is there as a whole or not at all, keeps the mode, and leaves nothing behind", async () => {
  using rig = new Rig();
  Deno.chmodSync(`${rig.work}/a.txt`, 0o640);
  const versions = ["a", "b"].map((letter) => letter.repeat(300_000));
  await rig.write("a.txt", versions[0]!);
  let going = true;
  const seen = new Set<string>();
  const reader = (async () => {
    while (going) {
      const now = await Deno.readTextFile(`${rig.work}/a.txt`);
      seen.add(`${now[0]}${now.length} ${now === versions[0] || now === versions[1]}`);
    }
  })();
  for (let i = 0; i < 60; i++) await rig.write("a.txt", versions[i % 2]!);
  going = false;
  await reader;
  deepStrictEqual([...seen].sort(), ["a300000 true", "b300000 true"]);
  strictEqual(statSync(`${rig.work}/a.txt`).mode & 0o777, 0o640);
  deepStrictEqual(readdirSync(rig.work).sort(), ["a.txt", "sub"]);
});

Deno.test({
  name: "new files and directories belong to whom they are made for, replaced ones to whom they belonged",
  ignore: lacks("root"),
  async fn() {
    using rig = new Rig();
    const view: View = { ...rig.view, uid: 12_345, gid: 12_346 };
    Deno.chownSync(`${rig.work}/a.txt`, 777, 778);
    await rig.write("a.txt", "x", "replace", view);
    await rig.write("new", "x", "replace", view);
    await rig.write("log", "x", "append", view);
    await rig.files.mkdir({ view, path: "p/q", check: allow }, { recursive: true });
    const owners = ["a.txt", "new", "log", "p", "p/q"].map((name) => {
      const { uid, gid } = statSync(`${rig.work}/${name}`);
      return `${uid}:${gid}`;
    });
    deepStrictEqual(owners, ["777:778", ...Array(4).fill("12345:12346")]);
  },
});

Deno.test("directories are made, listed within bounds, and removed only when that was asked for", async () => {
  using rig = new Rig();
  const { files } = rig;
  await rejects(files.mkdir(rig.target("x/y/z"), { recursive: false }), code("not_found"));
  deepStrictEqual(await files.mkdir(rig.target("x/y/z"), { recursive: true }), {
    path: "/work/x/y/z",
    created: true,
  });
  deepStrictEqual(await files.mkdir(rig.target("x/y"), { recursive: true }), {
    path: "/work/x/y",
    created: false,
  });
  await rejects(files.mkdir(rig.target("x"), { recursive: false }), code("conflict", /exists/));
  await rejects(files.mkdir(rig.target("a.txt/b"), { recursive: true }), code("conflict", /no directory/));
  for (const name of ["c", "b", "a"]) await rig.write(`x/${name}`, name);
  const all = await files.list(rig.target("x"), { limit: 10 });
  deepStrictEqual(all, {
    path: "/work/x",
    entries: [
      { name: "a", type: "file" },
      { name: "b", type: "file" },
      { name: "c", type: "file" },
      { name: "y", type: "directory" },
    ],
    truncated: false,
  });
  const some = await files.list(rig.target("x"), { limit: 2 });
  ok(some.truncated && some.entries.length === 2);
  deepStrictEqual((await files.list(rig.target("/"), { limit: 9 })).entries.map(({ name }) => name), [
    "mnt",
    "work",
  ]);
  ok((await files.list(rig.target("/work"), { limit: 9 })).entries.some(({ name }) => name === "deep"));
  await rejects(files.list(rig.target("a.txt"), { limit: 9 }), code("not_found"));

  await rejects(files.remove(rig.target("x"), { recursive: false, ...LIMIT }), code("conflict", /not empty/));
  await rejects(files.remove(rig.target("x"), { recursive: true, limit: 3 }), code("limit"));
  const guarded: Check = (_access, inside) => {
    if (inside === "/work/x/y/z") throw new RangeError("not this one");
  };
  await rejects(files.remove(rig.target("x", guarded), { recursive: true, ...LIMIT }), RangeError);
  strictEqual(
    (await files.list(rig.target("x"), { limit: 9 })).entries.length,
    4,
    "nothing went before the refusal",
  );
  Deno.symlinkSync(rig.outside, `${rig.work}/x/y/z/out`);
  deepStrictEqual(await files.remove(rig.target("x"), { recursive: true, ...LIMIT }), {
    path: "/work/x",
    removed: 7,
  });
  ok(existsSync(`${rig.outside}/secret`), "links are removed, not what they lead to");
});

Deno.test("a rename weighs both ends and all that moves, and is no way to read what may not be read", async () => {
  using rig = new Rig();
  const { files } = rig;
  await rig.write("sub/secret", "s");
  const asked: string[] = [];
  const note: Check = (access, inside) => void asked.push(`${access} ${inside}`);
  await files.rename(rig.target("sub", note), rig.target("other", note), LIMIT);
  deepStrictEqual(asked.sort(), [
    "read /work/sub",
    "read /work/sub/secret",
    "write /work/other",
    "write /work/other/secret",
    "write /work/sub",
    "write /work/sub/secret",
  ]);
  const unreadable: Check = (access, inside) => {
    if (access === "read" && inside.endsWith("secret")) throw new RangeError("no");
  };
  await rejects(
    files.rename(rig.target("other", unreadable), rig.target("x", unreadable), LIMIT),
    RangeError,
  );
  await rejects(files.rename(rig.target("other/secret", unreadable), rig.target("x"), LIMIT), RangeError);
  await rejects(files.rename(rig.target("nothing"), rig.target("x"), LIMIT), code("not_found"));
  await rejects(files.rename(rig.target("other"), rig.target("other/below"), LIMIT), code("bad_request"));
  await rejects(files.rename(rig.target("a.txt"), rig.target("other"), LIMIT), code("conflict"));
  deepStrictEqual(await files.rename(rig.target("a.txt"), rig.target("deep/moved"), LIMIT), {
    from: "/work/a.txt",
    to: "/work/deep/moved",
  });
  strictEqual(readFileSync(`${rig.data}/moved`, "utf8"), "inside");
});

Deno.test({
  name: "a racing process that swaps a directory for a link gets nothing out and nothing in",
  ignore: lacks("linux"),
  async fn() {
    using rig = new Rig();
    Deno.mkdirSync(`${rig.work}/cur`);
    Deno.writeTextFileSync(`${rig.work}/cur/secret`, "public");
    Deno.symlinkSync(rig.outside, `${rig.work}/link`);
    const swap = `
      const [a, b, c] = ["cur", "dir", "link"].map((name) => ${JSON.stringify(rig.work)} + "/" + name);
      for (;;) {
        Deno.renameSync(a, b); Deno.renameSync(c, a); Deno.renameSync(a, c); Deno.renameSync(b, a);
      }`;
    const before = descriptors();
    const racer = new Deno.Command(Deno.execPath(), { args: ["eval", "--no-lock", swap], stderr: "null" })
      .spawn();
    const end = performance.now() + 2_000;
    const counts: Record<string, number> = {};
    const count = (what: string): number => counts[what] = (counts[what] ?? 0) + 1;
    const naive = async (): Promise<string> => {
      try {
        return await Deno.readTextFile(`${rig.work}/cur/secret`);
      } catch {
        return "";
      }
    };
    try {
      for (let i = 0; performance.now() < end; i++) {
        if (await naive() === "secret") count("the naive way out");
        const outcomes = await Promise.allSettled([
          rig.read("cur/secret").then((content) => count(content)),
          rig.write(`cur/new${i % 5}`, "x").then(() => count("written")),
          rig.write("cur/log", "x", "append").then(() => count("appended")),
          rig.files.remove(rig.target("cur/new0"), { recursive: true, ...LIMIT }),
          rig.files.mkdir(rig.target("cur/made"), { recursive: false }),
          rig.files.rename(rig.target("cur/log"), rig.target("cur/log2"), LIMIT),
        ]);
        for (const outcome of outcomes) {
          if (outcome.status === "rejected" && !(outcome.reason instanceof FileError)) throw outcome.reason;
        }
      }
    } finally {
      racer.kill("SIGKILL");
      await racer.status;
    }
    ok(
      counts["the naive way out"]! > 0,
      `the race was not won even by the naive way: ${JSON.stringify(counts)}`,
    );
    ok(counts.public! > 0 && counts.written! > 0, JSON.stringify(counts));
    strictEqual(counts.secret, undefined, "read what lies outside");
    deepStrictEqual(readdirSync(rig.outside), ["secret"], "wrote to what lies outside");
    strictEqual(descriptors(), before, "descriptors leaked");
  },
});

Deno.test({
  name: "a full disk is an error, the old file stays, and nothing is left behind",
  ignore: lacks("root") || !canMount(),
  async fn() {
    using rig = new Rig();
    ok(mount(rig.data));
    try {
      await rig.write("deep/f", "old");
      await rejects(rig.write("deep/f", "x".repeat(3 << 20)), code("unavailable", /the disk is full/));
      strictEqual(await rig.read("deep/f"), "old");
      await rejects(
        rig.write("deep/f", "x".repeat(3 << 20), "append"),
        code("unavailable", /the disk is full/),
      );
      deepStrictEqual(readdirSync(rig.data), ["f"]);
    } finally {
      new Deno.Command("umount", { args: [rig.data] }).outputSync();
    }
  },
});

function mount(dir: string): boolean {
  return new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=1m", "clove-test", dir] }).outputSync()
    .success;
}

/** A container's root may lack the right to mount. */
function canMount(): boolean {
  const dir = Deno.makeTempDirSync({ prefix: "clove-mount-" });
  const could = mount(dir);
  if (could) new Deno.Command("umount", { args: [dir] }).outputSync();
  Deno.removeSync(dir);
  return could;
}
