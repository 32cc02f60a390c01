/**
 * Every bound on what comes from outside, each with its reason. Bytes, milliseconds or counts, as named.
 *
 * @module
 */
export const LIMITS = {
  /** One request frame: the original's limit, and enough for a small file. */
  frameBytes: 1024 * 1024,
  /** Answers waiting for a client that does not read; past it the client is not read from either. */
  sendQueueBytes: 4 * 1024 * 1024,
  /** Requests of one connection that run at once; past it the client is not read from. */
  requestsInFlight: 256,
  /** JSON nested deeper than this is refused: serialising it again would overflow the stack. */
  jsonDepth: 200,
  /** One file through `fs.read` and `fs.write`; a frame of protocol 1 may be longer in answers. */
  fileBytes: 8 * 1024 * 1024,
  /** Entries of one directory listing. */
  listEntries: 10_000,
  /** PATH_MAX of Linux. */
  pathBytes: 4096,
  /** Messages waiting in one mailbox. */
  mailboxMessages: 1_000,
  /** Bytes waiting in one mailbox. */
  mailboxBytes: 16 * 1024 * 1024,
  /** Events waiting for one subscriber; the oldest is dropped and counted. */
  eventQueue: 1_000,
  /** A key of the state store, in UTF-8 bytes. */
  keyBytes: 512,
  /** A value of the state store, as JSON text. */
  valueBytes: 1024 * 1024,
  /** Keys that one agent may own in the state store. */
  keysPerAgent: 100_000,
  /** Bytes of keys and values that one agent, with all it spawned, may hold in the state store: disks are shared. */
  stateBytesPerAgent: 256 * 1024 * 1024,
  /** Names are shown to people and become directory names. */
  nameChars: 64,
  /** Names that one agent may register. */
  namesPerAgent: 16,
  /** RECV with `wait`, when the request names no time. */
  waitMs: 30_000,
  /** RECV with `wait`, at most. */
  waitMaxMs: 300_000,
  /** Each stream of EXEC; the rest is read and dropped, and the answer says so. */
  execOutputBytes: 1024 * 1024,
  /** Commands of one agent that run at once. */
  execAtOnce: 16,
  /** Output kept per agent, for `logs`. */
  agentOutputBytes: 4 * 1024 * 1024,
  /** Connections of one agent and all below it. */
  connectionsPerAgent: 256,
  /**
   * Connections of one agent that wait to be accepted: all that wait are accepted in one turn, 0.1 ms each, and others
   * wait meanwhile. Whoever connects beyond that waits too, or is told EAGAIN where it would not wait.
   */
  backlogPerAgent: 16,
  /** Connections in all. */
  connections: 1_024,
  /** A request that says nothing about time, and whose row says nothing either. */
  deadlineMs: 30_000,
  /** Live agents in all: each holds about ten descriptors. */
  agents: 4_096,
  /** Results of asynchronous calls kept for one agent until it polls. */
  asyncResults: 1_000,
  /** What a stream may send before the client grants more. */
  streamCreditBytes: 256 * 1024,
  /** Streams and subscriptions of one connection. */
  streams: 64,
  /** Sealed secrets: each agent's placeholders are looked through when one of them is used. */
  secrets: 256,
  /** One secret: a header that holds it must leave room for the others. */
  secretBytes: 16 * 1024,
  /** Ended agents remembered for LIST `all`, WAIT and `logs`. */
  endedAgents: 256,
} as const;
