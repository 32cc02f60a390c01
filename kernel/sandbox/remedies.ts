/**
 * What a person can do about a step that failed. Pure.
 *
 * @module
 */
import { LaunchError } from "../agents/launch.ts";
import type { Step } from "./steps.ts";

/** The remedy for an errno at a step, or the empty string where none is known. */
export function remedyFor(step: Step | undefined, errno: string): string {
  switch (step?.do) {
    case "clone":
      if (errno === "ENOSPC") return "raise /proc/sys/user/max_*_namespaces";
      if (errno === "EAGAIN") return "end some agents, or raise the limit of processes";
      if (errno === "EBUSY" || errno === "EOPNOTSUPP") {
        return "give the agent a cgroup without inner processes";
      }
      return "run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, " +
        "kernel.apparmor_restrict_unprivileged_userns=0)";
    case "map-ids":
      return "allow user namespaces for this user";
    case "expose":
      if (errno === "ELOOP") return "name the place itself instead of a symlink";
      if (errno === "ENOENT") return "make it first, also inside the mount around it";
      if (errno === "EINVAL" && step.idmap !== null) {
        return `this file system cannot map owners: chown ${JSON.stringify(step.source)} to user 65534`;
      }
      return "";
    case "mount":
      return step.type === "proc"
        ? "run where /proc is not masked (podman: --security-opt unmask=ALL, docker: --security-opt systempaths=unconfined)"
        : "";
    case "enter":
      return `choose a working directory that is mounted inside, such as /tmp`;
    case "execute":
      if (errno === "ENOENT") {
        return "is it, and the interpreter it names, visible inside? Mount its directory with --ro";
      }
      if (errno === "EACCES") return "make it executable for everybody, or mount it where it is";
      if (errno === "E2BIG") return "pass fewer or shorter arguments";
      return "";
    case "landlock":
      return "start Linux with lsm=landlock,… on its command line";
    case "seccomp":
      return "use a Linux kernel with CONFIG_SECCOMP_FILTER";
    default:
      return "";
  }
}

/** The error of a launch that a failed step ended. */
export function stepFailed(name: string, step: Step | undefined, errno: string): LaunchError {
  const remedy = remedyFor(step, errno);
  return new LaunchError(`Cannot ${name}: ${errno}${remedy ? `, ${remedy}` : ""}`, { step: name, errno });
}
