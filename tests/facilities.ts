/**
 * What this machine has, for tests that need it: `ignore: lacks("userns", "cgroup2")`. With `CLOVE_REQUIRE=userns,…`
 * in the environment its absence is a failure instead.
 *
 * @module
 */

/** The names that tests and `CLOVE_REQUIRE` use. */
export type Facility =
  | "root"
  | "userns"
  | "cgroup2"
  | "landlock"
  | "seccomp"
  | "qemu"
  | "chromium"
  | "nats"
  | "cc"
  | "linux"
  | "python3";

const PROBES: Readonly<Record<Facility, () => boolean>> = {
  linux: () => Deno.build.os === "linux",
  root: () => Deno.build.os === "linux" && Deno.uid() === 0,
  userns: () => works("unshare", "--user", "--map-root-user", "true"),
  cgroup2: () => reads("/sys/fs/cgroup/cgroup.controllers")?.includes("memory") ?? false,
  // The syscall exists and answers with its ABI; the security module list may be hidden.
  landlock: () =>
    works("python3", "-c", "import ctypes,sys; sys.exit(ctypes.CDLL(None).syscall(444,0,0,1)<1)"),
  seccomp: () => reads("/proc/self/status")?.includes("Seccomp:") ?? false,
  qemu: () => works("sh", "-c", "command -v qemu-system-x86_64"),
  chromium: () => works("sh", "-c", "command -v chromium"),
  nats: () => works("sh", "-c", "command -v nats-server"),
  cc: () => works("sh", "-c", "command -v cc"),
  python3: () => works("python3", "-c", "pass"),
};

const known = new Map<Facility, boolean>();

/** True when one of them is missing, so that the test is ignored by name. */
export function lacks(...facilities: Facility[]): boolean {
  const required = new Set((Deno.env.get("CLOVE_REQUIRE") ?? "").split(",").filter(Boolean));
  return facilities.some((facility) => {
    if (!known.has(facility)) known.set(facility, PROBES[facility]());
    if (known.get(facility)) return false;
    if (required.has(facility)) {
      throw new Error(`Cannot test here: CLOVE_REQUIRE names "${facility}", which is missing`);
    }
    return true;
  });
}

function works(program: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    // Not installed is not working.
    return false;
  }
}

function reads(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // Not there, or not ours to read: both mean we cannot use it.
    return null;
  }
}
