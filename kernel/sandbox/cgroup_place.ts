/**
 * Decides where in the hierarchy of cgroup v2 a kernel may divide, from what /proc says. Pure.
 *
 * @module
 */

/** Where cgroup v2 is mounted, and where this process is in it. */
export interface CgroupPlace {
  /** Directory of the mount. */
  readonly mount: string;
  /** Directory of the cgroup this process is in. */
  readonly own: string;
}

/**
 * Reads `/proc/self/mountinfo` and `/proc/self/cgroup`. See proc(5), cgroups(7).
 *
 * @returns The place, or in words why there is none.
 */
export function findPlace(mountinfo: string, cgroup: string): CgroupPlace | string {
  const own = /^0::(.*)$/m.exec(cgroup)?.[1];
  if (own === undefined) return "this process is in no cgroup of version 2";
  for (const line of mountinfo.split("\n")) {
    const [fields = "", filesystem = ""] = line.split(" - ");
    if (!filesystem.startsWith("cgroup2 ")) continue;
    const [, , , root = "/", mount = ""] = fields.split(" ").map(unescapeOctal);
    const relative = root === "/"
      ? own
      : own === root
      ? "/"
      : own.startsWith(`${root}/`)
      ? own.slice(root.length)
      : null;
    if (relative === null || relative.startsWith("/..")) {
      return `this process's cgroup ${own} is not below the mount ${mount}`;
    }
    return { mount, own: relative === "/" ? mount : mount + relative };
  }
  return "cgroup v2 is not mounted";
}

/**
 * Says in words whose cgroup a kernel divides.
 *
 * @param base The cgroup it divides.
 */
export function describePlace(
  base: string,
  { mount, own }: CgroupPlace,
  { uid, isRealRoot }: { readonly uid: number; readonly isRealRoot: boolean },
): string {
  if (base === mount) {
    return isRealRoot
      ? "cgroup v2, the machine's whole hierarchy,"
      : "cgroup v2, a container's, whose processes are in one leaf of it,";
  }
  // systemd gives subtrees away by units: services and scopes with Delegate=yes, and the managers of users.
  const unit = own.split("/").findLast((name) => /\.(service|scope)$/.test(name));
  const from = unit === undefined ? "" : ` by systemd to ${unit}`;
  return uid === 0 && unit === undefined
    ? "cgroup v2, the kernel's own,"
    : `cgroup v2, a subtree delegated${from}${uid === 0 ? "" : " to an ordinary user"},`;
}

/** mountinfo writes blanks, tabs, newlines and backslashes as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
