/**
 * Runs one command in a throw-away machine with a pure cgroup v2: Debian's own kernel under QEMU, which needs no KVM.
 * The guest sees this machine's files under a layer that vanishes. The kernel is unpacked from its package, never
 * installed.
 *
 * @module
 */
import { fromFileUrl } from "../root.ts";

/** Raise it when anything about the built guest changes. */
const VERSION = 2;
/** In the order in which they need each other. */
const MODULES = (
  "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci netfs fscache 9pnet 9pnet_virtio 9p overlay " +
  // A disk of memory, for limits of disks.
  "crc32c_generic crc16 mbcache jbd2 ext4 brd"
).split(" ");
const INIT_DIRECTORIES = ["bin", "modules", "proc", "sys", "dev", "host", "layer", "new"];
/** How often the console is looked at while the guest runs. */
const KILL_AFTER = "5";

/** How to run a command. */
export interface GuestOptions {
  /** Working directory, a path of the host. */
  readonly cwd: string;
  /** The command's environment, beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Seconds until the guest is given up. */
  readonly timeout?: number;
  /** Memory in MiB. */
  readonly memory?: number;
}

/** What a command left. */
export interface GuestResult {
  readonly status: number;
  /** Both streams. */
  readonly output: string;
}

/**
 * Runs a command as the guest's root.
 *
 * @throws {Error} With the guest's console, when it did not come up or ran too long.
 */
export async function runInGuest(argv: readonly string[], options: GuestOptions): Promise<GuestResult> {
  const guest = await buildGuest();
  const work = await Deno.makeTempDir({ prefix: "clove-guest-" });
  try {
    const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...options.env };
    const lines = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`);
    // The guest's own /tmp is empty: a checkout or a cache that lies there would be hidden by it.
    for (const hidden of ["/tmp", "/var/tmp"]) {
      const inside = [options.cwd, ...Object.values(env)].some((path) => path.startsWith(`${hidden}/`));
      if (inside) lines.push(`umount ${hidden}`);
    }
    lines.push(`cd ${quote(options.cwd)} && exec ${argv.map(quote).join(" ")}`);
    await Deno.writeTextFile(`${work}/command`, lines.join("\n"));
    // The kernel unpacks archives one after the other.
    await shell(
      `(cat ${guest}/base.cpio; cd ${work} && echo command | ${guest}/busybox cpio -o -H newc) > ${work}/initrd`,
    );
    const qemu = [
      ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35"],
      ...[
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,la57=off",
        "-smp",
        "2",
        "-m",
        String(options.memory ?? 2048),
      ],
      ...["console", "output", "status"].flatMap((name) => ["-serial", `file:${work}/${name}`]),
      ...["-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"],
      ...[
        "-kernel",
        `${guest}/kernel`,
        "-initrd",
        `${work}/initrd`,
        "-append",
        "console=ttyS0 quiet panic=-1 psi=1",
      ],
    ];
    const seconds = String(options.timeout ?? 300);
    await new Deno.Command("timeout", {
      args: ["--foreground", "-k", KILL_AFTER, seconds, "qemu-system-x86_64", ...qemu],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    const status = (await Deno.readTextFile(`${work}/status`).catch(() => "")).trim();
    const output = await Deno.readTextFile(`${work}/output`).catch(() => "");
    if (status === "") {
      const console = await Deno.readTextFile(`${work}/console`).catch(() => "");
      throw new Error(
        `Cannot finish in the guest within ${seconds} s:\n${output}\n--- console\n${console.slice(-4000)}`,
      );
    }
    return { status: Number(status), output };
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** The directory of the built guest; built once, in about ten seconds. */
async function buildGuest(): Promise<string> {
  const home = Deno.env.get("HOME") ?? "/tmp";
  const cache = Deno.env.get("CLOVE_VM_CACHE") ?? `${home}/.cache/clove-vm`;
  const built = `${cache}/guest-${VERSION}`;
  if (await exists(`${built}/kernel`)) return built;
  await Deno.mkdir(cache, { recursive: true });
  const work = await Deno.makeTempDir({ dir: cache });
  try {
    for (const name of INIT_DIRECTORIES) await Deno.mkdir(`${work}/init/${name}`, { recursive: true });
    await unpack("busybox-static", work, "./bin/busybox");
    await Deno.copyFile(`${work}/unpacked/bin/busybox`, `${work}/busybox`);
    await unpack(await kernelPackage(), work, "--wildcards", "./boot/vmlinuz-*", "*.ko");
    await shell(
      `cp ${work}/unpacked/boot/vmlinuz-* ${work}/kernel && cp ${work}/busybox ${work}/init/bin/busybox`,
    );
    for (const module of MODULES) {
      await shell(`find ${work}/unpacked -name ${module}.ko -exec cp {} ${work}/init/modules/ ';'`);
      if (!await exists(`${work}/init/modules/${module}.ko`)) {
        throw new Error(`Cannot build the guest: the kernel package has no module ${module}`);
      }
    }
    await Deno.writeTextFile(`${work}/init/modules/order`, MODULES.join(" "));
    for (const [name, target] of [["init.sh", "init"], ["system.sh", "system.sh"]] as const) {
      await Deno.copyFile(fromFileUrl(new URL(name, import.meta.url)), `${work}/init/${target}`);
    }
    const pack =
      `chmod 755 init bin/busybox && ln -s busybox bin/sh && find . | ./bin/busybox cpio -o -H newc`;
    await shell(`cd ${work}/init && (${pack}) > ${work}/base.cpio`);
    await shell(`chmod 755 ${work}/busybox && rm -rf ${work}/init ${work}/unpacked`);
    await Deno.rename(work, built);
    return built;
  } catch (error) {
    await Deno.remove(work, { recursive: true });
    throw error;
  }
}

/** The package that the kernel's meta package stands for. */
async function kernelPackage(): Promise<string> {
  const name = /^ *Depends: (linux-image-[0-9]\S*)/m.exec(await shell("apt-cache depends linux-image-amd64"))
    ?.[1];
  if (name) return name;
  throw new Error("Cannot find a kernel package: apt knows no linux-image-amd64, run apt-get update");
}

/** Downloads a package and unpacks some of its files to `work/unpacked`. */
async function unpack(name: string, work: string, ...files: readonly string[]): Promise<void> {
  const wanted = files.map(quote).join(" ");
  await shell(`mkdir -p ${work}/unpacked ${work}/deb && chmod 755 ${work}/deb && cd ${work}/deb &&
    (apt-get download -q ${name} || (apt-get update -q && apt-get download -q ${name})) &&
    dpkg-deb --fsys-tarfile ${work}/deb/*.deb | tar -x -C ${work}/unpacked ${wanted} && rm -r ${work}/deb`);
}

async function shell(script: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  if (!success) throw new Error(`Cannot run ${script}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
