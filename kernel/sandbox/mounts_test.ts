/** What of the host an agent is shown, and as whose. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { lacks } from "../../tests/facilities.ts";
import { type Fixture, sandbox } from "../../tests/sandbox_fixture.ts";

const isRoot = Deno.uid() === 0;
const ignore = lacks("linux") || (!isRoot && lacks("userns"));

/** As root a place of another owner is shown with its owner mapped, which not every file system can (overlayfs). */
const noMaps = ignore || (isRoot && !(await canMapOwners()));

async function canMapOwners(): Promise<boolean> {
  const place = await Deno.makeTempDir({ dir: "/var/tmp" });
  await using box = await sandbox([], { cgroup: "off" });
  try {
    await box.run(["/bin/true"], { mounts: [{ source: place, target: "/data", mode: "rw" }] });
    return true;
  } catch (error) {
    match(String(error), /EINVAL, this file system cannot map owners: chown ".*" to user 65534$/);
    return false;
  } finally {
    await Deno.remove(place);
  }
}

function mountTest(name: string, skip: boolean, fn: (box: Fixture, place: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: skip,
    sanitizeResources: false,
    sanitizeOps: false,
    async fn() {
      const place = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "clove-mounts-" });
      await using box = await sandbox([], { cgroup: "off" });
      try {
        await fn(box, place);
      } finally {
        await Deno.remove(place, { recursive: true });
      }
    },
  });
}

mountTest("a read-only place can be read and not written", ignore, async (box, place) => {
  await Deno.chmod(place, 0o755);
  await Deno.writeTextFile(`${place}/f`, "host");
  const mounts = [{ source: place, target: "/data", mode: "ro" }] as const;
  strictEqual((await box.run(["/bin/cat", "/data/f"], { mounts })).stdout, "host");
  const { exit, stderr } = await box.run(["/bin/sh", "-c", "echo x > /data/f"], { mounts });
  strictEqual(exit.code, 2);
  match(stderr, /Permission denied|Read-only/);
  strictEqual(await Deno.readTextFile(`${place}/f`), "host");
});

mountTest("a writable place of the operator's stays the operator's", noMaps, async (box, place) => {
  const mounts = [{ source: place, target: "/data", mode: "rw" }] as const;
  const script = "echo new > f && mkdir d && mv f d/g && stat -c %u d/g";
  const { stdout, stderr } = await box.run(["/bin/sh", "-c", script], { mounts, cwd: "/data" });
  strictEqual(stderr, "");
  strictEqual(stdout.trim(), isRoot ? "65534" : String(Deno.uid()));
  const info = await Deno.stat(`${place}/d/g`);
  strictEqual(info.uid, Deno.uid());
});

mountTest("a private directory of the kernel's becomes the agent's", ignore || !isRoot, async (box) => {
  const source = `${box.runDir}/work`;
  await Deno.mkdir(source, { mode: 0o700 });
  const mounts = [{ source, target: "/work", mode: "rw" }] as const;
  strictEqual((await box.run(["/bin/sh", "-c", "touch f && ls"], { mounts, cwd: "/work" })).stdout, "f\n");
  strictEqual((await Deno.stat(`${source}/f`)).uid, 65534);
});

mountTest("single files and places inside places can be shown", noMaps, async (box, place) => {
  await Deno.chmod(place, 0o755);
  await Deno.mkdir(`${place}/sub`);
  await Deno.writeTextFile(`${place}/secret`, "s");
  await Deno.writeTextFile(`${place}/one`, "1");
  const mounts = [
    { source: `${place}/sub`, target: "/data/sub", mode: "ro" },
    { source: place, target: "/data", mode: "rw" },
    { source: `${place}/one`, target: "/opt/file/one", mode: "ro" },
  ] as const;
  const script = "cat /opt/file/one; touch /data/ok && ls /data; touch /data/sub/no";
  const { stdout, exit } = await box.run(["/bin/sh", "-c", script], { mounts });
  strictEqual(stdout, "1ok\none\nsecret\nsub\n");
  strictEqual(exit.code, 1);
});

mountTest("a symlink on the way to a place is refused by name, not followed", ignore, async (box, place) => {
  await Deno.mkdir(`${place}/real/inner`, { recursive: true });
  await Deno.symlink("real", `${place}/link`);
  const mounts = [{ source: `${place}/link/inner`, target: "/data", mode: "rw" }] as const;
  await rejects(
    () => box.run(["/bin/true"], { mounts }),
    /LaunchError: Cannot open \/var\/tmp\/.*\/link\/inner: ELOOP, name the place itself instead of a symlink/,
  );
});

mountTest(
  "a link that an agent planted does not move the mount of the next one",
  noMaps,
  async (box, place) => {
    await Deno.mkdir(`${place}/work`);
    await Deno.mkdir(`${place}/inner`);
    await Deno.symlink("/etc", `${place}/work/spot`);
    const mounts = [
      { source: `${place}/work`, target: "/work", mode: "rw" },
      { source: `${place}/inner`, target: "/work/spot", mode: "rw" },
    ] as const;
    await rejects(
      () => box.run(["/bin/true"], { mounts }),
      /Cannot open the mount point .*\/work\/spot: ELOOP/,
    );
  },
);

mountTest("what does not exist, or lies where mounts cannot be, is refused", ignore, async (box, place) => {
  const run = (source: string, target: string): Promise<unknown> =>
    box.run(["/bin/true"], { mounts: [{ source, target, mode: "ro" }] });
  await rejects(
    () => run(`${place}/nothing`, "/data"),
    /Cannot mount ".*nothing": it does not exist, make it first/,
  );
  for (const target of ["/", "/proc", "/proc/self", "/dev/x", "/a/../b", "relative", "/a//b"]) {
    await rejects(() => run(place, target), /choose a plain absolute path outside/, target);
  }
});

mountTest("nothing mounted for an agent appears on the host", noMaps, async (box, place) => {
  const before = await Deno.readTextFile("/proc/self/mountinfo");
  const mounts = [{ source: place, target: "/data", mode: "rw" }] as const;
  const { stdout } = await box.run(["/bin/sh", "-c", "wc -l < /proc/self/mountinfo"], { mounts });
  ok(Number(stdout) > 10);
  deepStrictEqual(await Deno.readTextFile("/proc/self/mountinfo"), before);
});
