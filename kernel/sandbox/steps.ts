/**
 * The steps a sandbox is made of: what is done, in which process, and which wall it belongs to.
 *
 * @module
 */
import type { Resource } from "../../ffi/capabilities.ts";
import type { LandlockRule } from "../../ffi/landlock.ts";
import type { MountFlags } from "../../ffi/mounts.ts";
import type { Wall } from "../agents/launch.ts";

/** A namespace by the name of its wall. */
export type Namespace = "pid" | "mount" | "net" | "uts" | "ipc" | "user";

/**
 * One step. Paths of mounts are as seen inside the new root unless said otherwise. An optional step may fail, where
 * it could not be found out beforehand whether there is something to do.
 */
export type Step =
  | { readonly do: "clone"; readonly namespaces: readonly Namespace[]; readonly cgroup: string | null }
  | {
    readonly do: "map-ids";
    readonly uid: number;
    readonly gid: number;
    readonly insideUid: number;
    readonly insideGid: number;
  }
  | { readonly do: "session" }
  | { readonly do: "die-with-kernel" }
  | { readonly do: "adopt-orphans" }
  | { readonly do: "hostname"; readonly name: string }
  | { readonly do: "loopback" }
  /** Gives the kernel descriptors that it could not make itself: of namespaces, of a socket that listens inside. */
  | { readonly do: "hand-over"; readonly namespaces: boolean; readonly listen: number | null }
  | { readonly do: "private-mounts" }
  | {
    readonly do: "mount";
    readonly type: "tmpfs" | "proc";
    readonly target: string;
    readonly options: string;
    readonly flags: MountFlags;
    readonly optional?: boolean;
  }
  | { readonly do: "directory"; readonly path: string }
  | { readonly do: "file"; readonly path: string }
  | { readonly do: "link"; readonly path: string; readonly text: string }
  /** `source` is a path of the host, or with `inside` one of the new root. */
  | {
    readonly do: "bind";
    readonly source: string;
    readonly target: string;
    readonly inside?: boolean;
    readonly optional?: boolean;
  }
  | {
    readonly do: "restrict";
    readonly target: string;
    readonly flags: MountFlags;
    readonly optional?: boolean;
  }
  | {
    readonly do: "expose";
    readonly source: string;
    readonly target: string;
    readonly mode: "ro" | "rw";
    /** Which of the descriptors handed over maps owners. */
    readonly idmap: number | null;
  }
  /** Numbers of the new pid namespace end here. */
  | { readonly do: "limit-pids"; readonly most: number }
  | { readonly do: "pivot" }
  | { readonly do: "hide-hierarchy" }
  | { readonly do: "drop-bounding"; readonly last: number }
  | { readonly do: "own-output"; readonly uid: number; readonly gid: number }
  | { readonly do: "hide" }
  | { readonly do: "terminal" }
  | { readonly do: "limit"; readonly resource: Resource; readonly soft: number; readonly hard: number }
  | { readonly do: "no-new-privileges" }
  | {
    readonly do: "landlock";
    readonly abi: number;
    readonly rules: readonly LandlockRule[];
    readonly refuseTcp: boolean;
    /** The port that may be connected to all the same. */
    readonly connect?: number;
  }
  | { readonly do: "become"; readonly uid: number; readonly gid: number }
  | { readonly do: "drop-capabilities" }
  | { readonly do: "die-with-init" }
  | { readonly do: "enter"; readonly directory: string }
  /** Has the kernel told of every call about files and programs, for a run that is learned from. */
  | { readonly do: "watch" }
  | { readonly do: "seccomp" }
  | { readonly do: "execute"; readonly argv: readonly string[]; readonly env: readonly string[] };

/** What a step does, in words for `--explain`. */
export function describeStep(step: Step): string {
  switch (step.do) {
    case "clone":
      return describeClone(step.namespaces, step.cgroup);
    case "map-ids":
      return `map user ${step.insideUid} inside to ${step.uid}, group ${step.insideGid} to ${step.gid}`;
    case "session":
      return "begin a new session";
    case "die-with-kernel":
      return "end when the kernel ends";
    case "adopt-orphans":
      return "adopt the orphans among the agent's processes";
    case "hostname":
      return `set the hostname ${step.name}`;
    case "loopback":
      return "bring loopback up";
    case "hand-over":
      return [
        ...(step.namespaces ? ["hand the namespaces over to the kernel"] : []),
        ...(step.listen === null ? [] : [`listen on 127.0.0.1:${step.listen} for the kernel`]),
      ].join(", ");
    case "private-mounts":
      return "make all mounts private";
    case "mount":
      return `mount ${step.type} on ${step.target}${step.options ? ` (${step.options})` : ""}${
        words(step.flags)
      }`;
    case "directory":
      return `make the directory ${step.path}`;
    case "file":
      return `make the mount point ${step.path}`;
    case "link":
      return `link ${step.path} to ${step.text}`;
    case "bind":
      return `bind ${step.source}${step.source === step.target ? "" : ` on ${step.target}`}`;
    case "restrict":
      return `restrict ${step.target}:${words(step.flags)}`;
    case "expose":
      return `mount ${step.source}${step.source === step.target ? "" : ` on ${step.target}`}, ${step.mode}` +
        (step.idmap === null ? "" : ", owners mapped");
    case "limit-pids":
      return `end the numbers of processes at ${step.most}`;
    case "pivot":
      return "pivot the root and detach the old one";
    case "hide-hierarchy":
      return "hide the cgroup hierarchy";
    case "drop-bounding":
      return `empty the bounding set (capabilities 0 to ${step.last})`;
    case "own-output":
      return `give the output pipes to user ${step.uid}`;
    case "hide":
      return "make init undumpable";
    case "terminal":
      return "take the terminal as controlling terminal";
    case "limit":
      return `limit ${step.resource.toLowerCase()} to ${step.soft}`;
    case "no-new-privileges":
      return "set no_new_privs";
    case "landlock":
      return `enter Landlock (ABI ${step.abi}, ${step.rules.length} rules${
        step.refuseTcp ? `, no TCP${step.connect === undefined ? "" : ` but to port ${step.connect}`}` : ""
      })`;
    case "become":
      return `become user ${step.uid}, group ${step.gid}, without other groups`;
    case "drop-capabilities":
      return "clear all capabilities";
    case "die-with-init":
      return "end when init ends";
    case "enter":
      return `enter ${step.directory}`;
    case "watch":
      return "tell the kernel of every use of a file or program";
    case "seccomp":
      return "install the seccomp filter";
    case "execute":
      return `execute ${step.argv.join(" ")}`;
  }
}

function describeClone(namespaces: readonly Namespace[], cgroup: string | null): string {
  const into = cgroup === null ? "" : ` in the cgroup ${cgroup}`;
  return namespaces.length > 0
    ? `clone init into new namespaces: ${namespaces.join(", ")}${into}`
    : `clone init${into}`;
}

function words(flags: MountFlags): string {
  const list = [
    ...(flags.readOnly ? ["read-only"] : []),
    "nosuid",
    ...(flags.devices ? [] : ["nodev"]),
    ...(flags.executable === false ? ["noexec"] : []),
  ];
  return ` ${list.join(", ")}`;
}

/** The wall that is not there when this step cannot be done; null for what every launch needs. */
export function wallOf(step: Step): Wall | null {
  switch (step.do) {
    case "map-ids":
    case "become":
      return "user";
    case "hostname":
      return "uts";
    case "loopback":
      return "net";
    case "private-mounts":
    case "mount":
    case "bind":
    case "restrict":
    case "expose":
    case "pivot":
      return step.do === "mount" && step.type === "proc" ? "pid" : "mount";
    case "drop-bounding":
    case "drop-capabilities":
      return "caps";
    case "landlock":
      return "landlock";
    case "seccomp":
      return "seccomp";
    case "hide-hierarchy":
      return "cgroup";
    default:
      return null;
  }
}
