/**
 * Who stands behind a connection on the operator's socket. The operating system tells: nothing in a frame can.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Agents } from "./agents/agents.ts";
import type { Log } from "./log.ts";
import type { Principal } from "./principals.ts";

/** What the kernel takes a peer for. */
export type Peer =
  | { readonly kind: "operator" }
  | { readonly kind: "agent"; readonly principal: Principal }
  | { readonly kind: "refused"; readonly reason: string };

/** Judges one connection. */
export type Identify = (socket: Socket) => Peer;

/** The process that connected, as it was when it did; null when the socket is gone. */
export type ReadPeer = (socket: Socket) => { readonly pid: number; readonly uid: number } | null;

/** Prepares the look at SO_PEERCRED, which needs libc; null where there is none. */
export async function readPeers(): Promise<ReadPeer | null> {
  const ffi = Deno.build.os === "linux" &&
    (await Deno.permissions.query({ name: "ffi" })).state === "granted";
  if (!ffi) return null;
  const { peerCredentials } = await import("../ffi/peer.ts");
  return (socket) => {
    const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
    return handle?.fd === undefined ? null : peerCredentials(handle.fd);
  };
}

/** Prepares the judgement. */
export function identifyPeer(
  options: { readPeer: ReadPeer | null; agents: Agents; log: Log },
): Identify {
  const { readPeer, agents, log } = options;
  const ownUid = Deno.uid();
  if (!readPeer) {
    log.info("peers are not identified beyond the socket's mode 0600: that needs Linux and --allow-ffi");
    return () => ({ kind: "operator" });
  }
  return (socket) => {
    const peer = readPeer(socket);
    if (!peer) return { kind: "refused", reason: "its descriptor is gone" };
    const { pid, uid } = peer;
    // A process inside an agent stays that agent, whichever socket it found and however often it forked.
    const principal = agents.agentOfPid(pid);
    if (principal) return { kind: "agent", principal };
    // An agent could connect, hand the descriptor on and end: who is no longer there is nobody.
    if (agents.standingOf(pid) === "gone") return { kind: "refused", reason: `process ${pid} has ended` };
    if (uid === ownUid || uid === 0) return { kind: "operator" };
    return { kind: "refused", reason: `user ${uid} owns neither this kernel nor the machine` };
  };
}

/**
 * Who connects on an agent's own socket: that agent, unless the process is another agent's, which stays what it is.
 * Null for who is no longer there.
 */
export function identifyOwner(
  socket: Socket,
  owner: Principal,
  options: { readPeer: ReadPeer | null; agents: Agents },
): Principal | null {
  const { readPeer, agents } = options;
  if (!readPeer) return owner;
  const peer = readPeer(socket);
  if (!peer) return null;
  const found = agents.agentOfPid(peer.pid);
  return found ?? (agents.standingOf(peer.pid) === "gone" ? null : owner);
}
