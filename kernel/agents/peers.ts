/**
 * Whose process is this? For a connection on a socket that is not the agent's own.
 *
 * @module
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { Agent } from "./agent.ts";
import { type ProcessStat, processStatNow } from "./processes.ts";

/** What is known about a process. */
export type Standing =
  | { readonly kind: "agent"; readonly agent: Agent }
  | { readonly kind: "stranger" }
  | { readonly kind: "gone" };

/** A chain of parents longer than this is a loop made by processes that come and go meanwhile. */
const LONGEST_CHAIN = 256;

/**
 * Finds the agent a process belongs to: by its parents, its session, its cgroup or its pid namespace. A process that
 * changed its session stays below its parents; one whose parent ended stays in its session; one that did both is
 * still in its cgroup and namespace, where there are such walls, and carries its variables unless it dropped them.
 *
 * Synchronous, because a connection must not be read from before this is known; about 30 us a level.
 */
export function whoIs(pid: number, agents: ReadonlyMap<number, Agent>, runDir: string): Standing {
  const running = new Map<number, Agent>();
  for (const agent of agents.values()) if (agent.process) running.set(agent.process.pid, agent);
  const first = processStatNow(pid);
  if (!first) return Deno.build.os === "linux" ? { kind: "gone" } : { kind: "stranger" };
  for (let at: ProcessStat | null = first, i = 0; at && i < LONGEST_CHAIN; i++) {
    const agent = running.get(at.pid) ?? running.get(at.session);
    if (agent) return { kind: "agent", agent };
    at = at.parent > 1 ? processStatNow(at.parent) : null;
  }
  const agent = bySurroundings(pid, running);
  return agent ? { kind: "agent", agent } : byVariables(pid, agents, runDir);
}

/** A variable can be forged, but only to become less than the owner of the machine. */
function byVariables(pid: number, agents: ReadonlyMap<number, Agent>, runDir: string): Standing {
  const variables = readOrNull(() => readFileSync(`/proc/${pid}/environ`, "utf8"))?.split("\0") ?? [];
  if (!variables.some((variable) => variable.startsWith(`CLOVE_SOCKET=${runDir}/`))) {
    return { kind: "stranger" };
  }
  const id = variables.find((variable) => variable.startsWith("CLOVE_AGENT_ID="))?.slice(
    "CLOVE_AGENT_ID=".length,
  );
  const agent = agents.get(Number(id));
  // Left over from an agent that has ended: it speaks for nobody any more.
  return agent && !agent.ended ? { kind: "agent", agent } : { kind: "gone" };
}

function bySurroundings(pid: number, running: ReadonlyMap<number, Agent>): Agent | null {
  const cgroups = readOrNull(() => readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.trim().split("\n") ?? [];
  const namespace = namespaceOf(pid);
  const own = namespaceOf("self");
  for (const agent of running.values()) {
    const { cgroup } = agent.process!;
    if (
      cgroup &&
      cgroups.some((line) => cgroup.endsWith(line.slice(line.lastIndexOf(":") + 1)) && line.length > 4)
    ) {
      return agent;
    }
    if (namespace && namespace !== own && namespace === namespaceOf(agent.process!.pid)) return agent;
  }
  return null;
}

function namespaceOf(pid: number | "self"): string | null {
  return readOrNull(() => readlinkSync(`/proc/${pid}/ns/pid`));
}

/** Null when the process is gone, or hidden from this user. */
function readOrNull(read: () => string): string | null {
  try {
    return read();
  } catch (error) {
    const code = (error as { code?: string }).code ?? "";
    if (["ENOENT", "ESRCH", "EACCES", "EPERM", "EINVAL", "ENOTDIR"].includes(code)) return null;
    throw error;
  }
}
