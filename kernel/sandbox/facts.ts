/**
 * What a plan has to know about the machine: found out once, then passed to {@link planSandbox} as data.
 *
 * @module
 */
import { ARCH, type Arch } from "../../ffi/arch.ts";
import { ffiObstacle } from "../../ffi/libc.ts";
import { landlockAbi } from "../../ffi/landlock.ts";
import type { Resource } from "../../ffi/capabilities.ts";

/** A file or directory of the host that every sandbox shows, read-only. */
export interface SystemPath {
  readonly path: string;
  readonly kind: "directory" | "file";
}

/** The machine, as far as plans depend on it. */
export interface MachineFacts {
  readonly arch: Arch;
  readonly uid: number;
  readonly gid: number;
  /** The highest capability the machine knows. */
  readonly lastCapability: number;
  /** 0 where there is none. */
  readonly landlockAbi: number;
  /** Whether a pid namespace has its own `kernel.pid_max`. Before Linux 6.14 it is the whole machine's. */
  readonly pidNamespaceLimit: boolean;
  /** Shown read-only where they are. */
  readonly system: readonly SystemPath[];
  /** Shown as well to an agent on the host's network: where names are resolved. */
  readonly resolver: readonly SystemPath[];
  /** Symlinks of the root directory, such as `/bin` to `usr/bin`. */
  readonly links: readonly { readonly path: string; readonly text: string }[];
  /** Paths of /proc to be made read-only. */
  readonly procReadOnly: readonly string[];
  /** Paths of /proc to be hidden. */
  readonly procMasked: readonly SystemPath[];
  /** Some of these may not exist: they could not be looked at. */
  readonly procGuessed: boolean;
  /** Device files to show. */
  readonly devices: readonly string[];
  /** The kernel's own hard limits; null is none. */
  readonly hardLimits: Readonly<Partial<Record<Resource, number | null>>>;
}

/** Directories of the root that hold programs and libraries. */
const PROGRAM_DIRECTORIES = [
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/nix/store",
  "/gnu/store",
];

/** What programs read in /etc without learning anything about the operator. */
const ETC = [
  "alternatives",
  "ca-certificates",
  "ca-certificates.conf",
  "crypto-policies",
  "debian_version",
  "fonts",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "localtime",
  "mime.types",
  "nsswitch.conf",
  "os-release",
  "pki",
  "protocols",
  "services",
  "ssl",
  "terminfo",
  "timezone",
].map((name) => `/etc/${name}`);

const PROC_READ_ONLY = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"];
const PROC_MASKED = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi"];
const PROC_DIRECTORIES = new Set(["/proc/acpi", "/proc/scsi"]);
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"].map((name) => `/dev/${name}`);

/** Looks at the machine. Synchronous and short: it happens once, when a launcher is made. */
export function readMachineFacts(): MachineFacts {
  const system: SystemPath[] = [];
  const links: { path: string; text: string }[] = [];
  for (const path of PROGRAM_DIRECTORIES) {
    const info = lookAt(path);
    if (info?.isSymlink) links.push({ path, text: Deno.readLinkSync(path) });
    else if (info?.isDirectory) system.push({ path, kind: "directory" });
  }
  for (const path of ETC) {
    const info = follow(path);
    if (info) system.push({ path, kind: info.isDirectory ? "directory" : "file" });
  }
  return {
    arch: ARCH,
    uid: Deno.uid() ?? 0,
    gid: Deno.gid() ?? 0,
    lastCapability: Number(readText("/proc/sys/kernel/cap_last_cap") ?? 40),
    landlockAbi: ffiObstacle() === null ? landlockAbi() : abiFromKernelVersion(),
    pidNamespaceLimit: kernelVersion() >= 6014,
    system,
    resolver: follow("/etc/resolv.conf") ? [{ path: "/etc/resolv.conf", kind: "file" }] : [],
    links,
    ...readProc(),
    devices: DEVICES,
    hardLimits: readHardLimits(),
  };
}

/**
 * Which of the paths exist. Deno hides /proc from a kernel that may not do everything; then all are tried, and what
 * does not exist is passed over.
 */
function readProc(): Pick<MachineFacts, "procReadOnly" | "procMasked" | "procGuessed"> {
  const masked = PROC_MASKED.map((
    path,
  ) => ({ path, kind: PROC_DIRECTORIES.has(path) ? "directory" : "file" } as const));
  if (ffiObstacle() !== null) return { procReadOnly: PROC_READ_ONLY, procMasked: masked, procGuessed: true };
  const exists = (path: string): boolean => lookAt(path) !== null;
  return {
    procReadOnly: PROC_READ_ONLY.filter(exists),
    procMasked: masked.filter(({ path }) => exists(path)),
    procGuessed: false,
  };
}

/** Landlock's ABI by kernel version, for where nobody can be asked; a ruleset it refuses shows at the first launch. */
export function abiFromKernelVersion(release: string = Deno.osRelease()): number {
  const version = kernelVersion(release);
  const since = [5013, 5019, 6002, 6007, 6010, 6012];
  return since.filter((first) => version >= first).length;
}

/** `6.14.3-amd64` as 6014. */
export function kernelVersion(release: string = Deno.osRelease()): number {
  const [major = 0, minor = 0] = release.split(".").map((part) => parseInt(part, 10));
  return major * 1000 + minor;
}

function readHardLimits(): Partial<Record<Resource, number | null>> {
  const names: Readonly<Record<string, Resource>> = {
    "Max file size": "FSIZE",
    "Max core file size": "CORE",
    "Max processes": "NPROC",
    "Max open files": "NOFILE",
    "Max locked memory": "MEMLOCK",
    "Max msgqueue size": "MSGQUEUE",
    "Max nice priority": "NICE",
    "Max realtime priority": "RTPRIO",
  };
  const limits: Partial<Record<Resource, number | null>> = {};
  const text = readText("/proc/self/limits");
  if (text === null) return { NOFILE: 1024 }; // less than any system's hard limit
  for (const line of text.split("\n")) {
    const [name = "", , hard = ""] = line.split(/\s{2,}/);
    const resource = names[name];
    if (resource) limits[resource] = hard === "unlimited" ? null : Number(hard);
  }
  return limits;
}

function lookAt(path: string): Deno.FileInfo | null {
  return unlessMissing(() => Deno.lstatSync(path));
}

function follow(path: string): Deno.FileInfo | null {
  return unlessMissing(() => Deno.statSync(path));
}

function readText(path: string): string | null {
  return unlessMissing(() => Deno.readTextFileSync(path));
}

/** Absent and forbidden are the same to a plan: it cannot show what it cannot see. Anything else is a failure. */
function unlessMissing<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    if (error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
}
