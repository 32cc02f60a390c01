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

/** Prepares the judgement, which needs libc for SO_PEERCRED. */
export async function identifyPeer(options: { agents: Agents; log: Log }): Promise<Identify> {
  const { agents, log } = options;
  const ownUid = Deno.uid();
  const ffi = Deno.build.os === "linux" &&
    (await Deno.permissions.query({ name: "ffi" })).state === "granted";
  if (!ffi) {
    log.info("peers are not identified beyond the socket's mode 0600: that needs Linux and --allow-ffi");
    return () => ({ kind: "operator" });
  }
  const { peerCredentials } = await import("../ffi/peer.ts");
  return (socket) => {
    const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
    if (handle?.fd === undefined) return { kind: "refused", reason: "its descriptor is gone" };
    const { pid, uid } = peerCredentials(handle.fd);
    // A process inside an agent stays that agent, whichever socket it found and however often it forked.
    const principal = agents.agentOfPid(pid);
    if (principal) return { kind: "agent", principal };
    // An agent could connect, hand the descriptor on and end: who is no longer there is nobody.
    if (agents.standingOf(pid) === "gone") return { kind: "refused", reason: `process ${pid} has ended` };
    if (uid === ownUid || uid === 0) return { kind: "operator" };
    return { kind: "refused", reason: `user ${uid} owns neither this kernel nor the machine` };
  };
}
