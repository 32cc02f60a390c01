/**
 * What is reported about every attempt to reach something.
 *
 * @module
 */
import type { Receipt } from "../../permissions/mod.ts";

/** One decision, for the audit log. Everything in it may be logged: no query, no header, no body. */
export interface Decision {
  /** The agent's number; 0 where the caller gave none. */
  readonly agent: number;
  /** The HTTP syscall, a request through the proxy, or a tunnel made by CONNECT or SOCKS5. */
  readonly kind: "request" | "forward" | "connect" | "socks";
  /**
   * `open` when a tunnel begins; `done` when anything ended or was refused. A request reports `done` alone, a tunnel
   * that was allowed both.
   */
  readonly phase: "open" | "done";
  /** Such as `http://example.com/path` or `tcp://example.com:443`; what was sent, shortened, where it made no sense. */
  readonly target: string;
  /** The HTTP method; null for a tunnel. */
  readonly method: string | null;
  /** The address that was connected to, or that was refused; null where it did not come to one. */
  readonly ip: string | null;
  /** Whether the gate allowed it. */
  readonly allowed: boolean;
  /** The rule that allowed or refused; null where it did not come to a question. */
  readonly rule: string | null;
  /** What was missing; null unless refused, or revoked while open. */
  readonly receipt: Receipt | null;
  /** The response's status; null where there was none. */
  readonly status: number | null;
  /** Bytes of bodies and tunnels, from the agent. */
  readonly bytesUp: number;
  /** Bytes of bodies and tunnels, to the agent, as they came over the network. */
  readonly bytesDown: number;
  /** Milliseconds from the request to this report. */
  readonly ms: number;
  /** How it ended: `ok`, `refused`, `revoked`, or a sentence. */
  readonly end: string;
}

/** Receives decisions. Must not throw; what it throws reaches the process as an uncaught error. */
export type OnDecision = (decision: Decision) => void;
