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

/** mountinfo writes blanks, tabs, newlines and backslashes as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
