/**
 * A recording as a file: JSON lines, the first one the header, compressed as a whole when the name ends in `.gz`.
 * Everything an agent got from outside is a line, in the order in which it happened.
 *
 * Times are milliseconds since the recording began, with three decimals. Raw bytes are base64.
 *
 * @module
 */

/** The number that readers check. It changes when a reader of before would misread what is written now. */
export const FORMAT = 1;

/** What stands in the first line. */
export interface HeaderLine {
  readonly kind: "header";
  /** {@link FORMAT}. */
  readonly clove_recording: number;
  /** The kernel's version. */
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly started_at: string;
  /** The same as epoch milliseconds; the agents' virtual clocks begin here. */
  readonly epoch_ms: number;
}

/** An agent whose calls follow. */
export interface AgentLine {
  readonly kind: "agent";
  readonly agent: number;
  readonly name: string;
  /** The agent that spawned it; 0 for what an operator started. */
  readonly parent: number;
  /** The virtual clock of its program begins with this. */
  readonly t: number;
  readonly script: string | null;
  readonly command: readonly string[] | null;
  readonly args: readonly string[] | null;
  readonly python: string | null;
  /** SHA-256 of the program's file in hex; null when there is no such file to read. */
  readonly sha256: string | null;
  /** Everything it may do, as `Policy.toJson` writes it. */
  readonly policy: unknown;
  /** The same, in policy syntax. */
  readonly rules: readonly string[];
  /** Variables of the SPAWN. Null stands for a value that is not kept, because its name says it is secret. */
  readonly env: Readonly<Record<string, string | null>>;
  readonly ro: readonly string[];
  readonly rw: readonly string[];
  readonly workdir: string | null;
  readonly limits: Readonly<Record<string, unknown>>;
  readonly network: boolean;
  readonly sandboxed: boolean;
  /** How Deno learned the policy: `flags`, `broker`, or null for what is usual. */
  readonly permissions: "flags" | "broker" | null;
  /** True when it had a standard input to read. */
  readonly stdin: boolean;
  readonly tty: { readonly rows: number; readonly columns: number } | null;
  /** What its chance was made of; null when the recording began after its start, and it cannot be replayed. */
  readonly seed: number | null;
}

/** A request. `n` counts the calls of one agent from 0, over all its connections. */
export interface CallLine {
  readonly kind: "call";
  readonly agent: number;
  /** Counts the agent's connections from 0, in the order of their first calls. */
  readonly conn: number;
  readonly n: number;
  readonly t: number;
  readonly opcode: number;
  /** Such as `fs.read`; `opcode 0x99` for one that nobody offers. */
  readonly name: string;
  /** The arguments as sent; absent when the payload is no JSON. */
  readonly params?: unknown;
  /** The payload where it is no JSON. */
  readonly raw?: string;
  readonly tail?: string;
}

/** The answer to call `n`. */
export interface AnswerLine {
  readonly kind: "answer";
  readonly agent: number;
  readonly conn: number;
  readonly n: number;
  readonly t: number;
  readonly answer?: unknown;
  readonly raw?: string;
  readonly tail?: string;
}

/** A part of the stream that answers call `n`, or an event or change it subscribed to. */
export interface PartLine {
  readonly kind: "part" | "push";
  readonly agent: number;
  readonly conn: number;
  readonly n: number;
  readonly t: number;
  readonly value: unknown;
  readonly tail?: string;
  /** The last frame of a subscription. */
  readonly last?: true;
}

/** The agent gave up call `n`, or ended its subscription. */
export interface CancelLine {
  readonly kind: "cancel";
  readonly agent: number;
  readonly conn: number;
  readonly n: number;
  readonly t: number;
}

/** What was written to the agent's standard input. */
export interface InputLine {
  readonly kind: "input";
  readonly agent: number;
  readonly t: number;
  /** As base64. */
  readonly data: string;
  /** True when nothing followed. */
  readonly end: boolean;
}

/** What the agent wrote. */
export interface OutputLine {
  readonly kind: "output";
  readonly agent: number;
  readonly t: number;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

/** Something decided about the agent outside its calls, such as an answer of Deno's permission broker. */
export interface DecisionLine {
  readonly kind: "decision";
  readonly agent: number;
  readonly t: number;
  readonly what: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The agent ended. */
export interface ExitLine {
  readonly kind: "exit";
  readonly agent: number;
  readonly t: number;
  readonly code: number;
  readonly signal: string | null;
  readonly reason: string;
  readonly cause: string;
}

/** The recording ended before what it records did. */
export interface CutLine {
  readonly kind: "cut";
  readonly t: number;
  readonly why: string;
}

/** What happens on one connection. */
export type WireLine = CallLine | AnswerLine | PartLine | CancelLine;

/** Any line after the header. */
export type Line = AgentLine | WireLine | InputLine | OutputLine | DecisionLine | ExitLine | CutLine;

/** A whole recording. */
export interface Recording {
  readonly header: HeaderLine;
  readonly lines: readonly Line[];
}

/** Bounds of recordings. */
export const RECORDING_LIMITS = {
  /** One file, before compression: a forgotten recording must not fill a disk. */
  fileBytes: 1024 * 1024 * 1024,
  /** A file that is read back is held in memory. */
  readBytes: 256 * 1024 * 1024,
  /** Bytes that wait for a slow disk; past it the recording ends, the agents do not wait. */
  queueBytes: 64 * 1024 * 1024,
  /** Recordings under way. */
  recordings: 64,
  /** Runs that are replayed, or were and are remembered. */
  replays: 64,
} as const;

/** JSON with the keys of every object in order, so that equal values are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
  }) ?? "null";
}
