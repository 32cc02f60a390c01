/**
 * What an agent had before it at some point of its recording: state, messages, events and files, as its own calls
 * showed them. Nothing is run.
 *
 * @module
 */
import type { AgentLine, CallLine, Recording, WireLine } from "./format.ts";
import { checkCall } from "./replayer.ts";

/** A value of the state store, as last stored or fetched. */
export interface SeenState {
  readonly key: string;
  /** Null when the agent did not say and was not told. */
  readonly scope: string | null;
  readonly value: unknown;
  /** The call it is known from. */
  readonly call: number;
}

/** A file, as last read or written. */
export interface SeenFile {
  readonly path: string;
  /** Null when only its existence is known. */
  readonly content: string | null;
  readonly encoding: string | null;
  /** The call it is known from. */
  readonly call: number;
}

/** A message or event. */
export interface SeenMessage {
  readonly call: number;
  readonly value: unknown;
}

/** One point of a recording. */
export interface Snapshot {
  /** Everything before this call has happened; it has not. */
  readonly at: number;
  /** Milliseconds since the recording began. */
  readonly t: number;
  /** The call that comes next; null at the end. */
  readonly next: CallLine | null;
  readonly state: readonly SeenState[];
  readonly files: readonly SeenFile[];
  readonly received: readonly SeenMessage[];
  readonly sent: readonly SeenMessage[];
  readonly events: readonly SeenMessage[];
  /** What it had written by then. */
  readonly output: { readonly stdout: string; readonly stderr: string };
}

type Fields = Record<string, unknown>;

/**
 * Rebuilds what was there before call `at`.
 *
 * @throws {SyscallError} `not_found` when there is no such call; the number after the last one is the end.
 */
export function snapshotAt(recording: Recording, agent: AgentLine, at: number): Snapshot {
  const total = recording.lines.filter((line) => line.kind === "call" && line.agent === agent.agent).length;
  if (at > total) checkCall("look at", at, total);
  const seen = new Seen();
  const calls = new Map<number, CallLine>();
  const output = { stdout: "", stderr: "" };
  let next: CallLine | null = null;
  let t = agent.t;
  for (const line of recording.lines) {
    if (!("agent" in line) || line.agent !== agent.agent) continue;
    if (line.kind === "call" && line.n === at) {
      next = line;
      break;
    }
    t = line.t;
    if (line.kind === "output") output[line.stream] += line.text;
    else if (line.kind === "call") calls.set(line.n, line);
    else if ("n" in line) seen.take(calls.get(line.n), line);
  }
  return { at, t, next, ...seen.all(), output };
}

/** Folds calls and their answers. */
class Seen {
  readonly #state = new Map<string, SeenState>();
  readonly #files = new Map<string, SeenFile>();
  readonly #received: SeenMessage[] = [];
  readonly #sent: SeenMessage[] = [];
  readonly #events: SeenMessage[] = [];

  all(): Pick<Snapshot, "state" | "files" | "received" | "sent" | "events"> {
    return {
      state: [...this.#state.values()],
      files: [...this.#files.values()],
      received: this.#received,
      sent: this.#sent,
      events: this.#events,
    };
  }

  take(call: CallLine | undefined, line: WireLine): void {
    if (!call) return;
    if (line.kind === "push" && call.name === "event.subscribe" && !line.last) {
      this.#events.push({ call: call.n, value: line.value });
    }
    if (line.kind !== "answer") return;
    const params = fieldsOf(call.params);
    const answer = fieldsOf(line.answer);
    if (answer.success === false) return;
    const take = TAKERS[call.name];
    if (take) take(this, call, params, answer, line.tail);
  }

  put(call: CallLine, params: Fields, answer: Fields, value: unknown): void {
    const key = String(params.key);
    const scope = answer.scope ?? params.scope;
    this.#state.set(key, { key, scope: typeof scope === "string" ? scope : null, value, call: call.n });
  }

  drop(key: unknown): void {
    this.#state.delete(String(key));
  }

  file(call: CallLine, path: unknown, content: unknown, encoding: unknown): void {
    this.#files.set(String(path), {
      path: String(path),
      content: typeof content === "string" ? content : null,
      encoding: typeof encoding === "string" ? encoding : null,
      call: call.n,
    });
  }

  append(call: CallLine, path: unknown, content: string): void {
    const before = this.#files.get(String(path))?.content ?? "";
    this.file(call, path, before + content, "utf8");
  }

  unlink(path: unknown): void {
    const gone = String(path);
    for (const name of this.#files.keys()) {
      if (name === gone || name.startsWith(`${gone}/`)) this.#files.delete(name);
    }
  }

  rename(from: unknown, to: unknown): void {
    const [old, now] = [String(from), String(to)];
    for (const [name, file] of [...this.#files]) {
      if (name !== old && !name.startsWith(`${old}/`)) continue;
      this.#files.delete(name);
      const path = now + name.slice(old.length);
      this.#files.set(path, { ...file, path });
    }
  }

  mail(call: CallLine, messages: unknown): void {
    for (const value of listOf(messages)) this.#received.push({ call: call.n, value });
  }

  posted(call: CallLine, value: unknown): void {
    this.#sent.push({ call: call.n, value });
  }

  told(call: CallLine, events: unknown): void {
    for (const value of listOf(events)) this.#events.push({ call: call.n, value });
  }
}

type Taker = (seen: Seen, call: CallLine, params: Fields, answer: Fields, tail: string | undefined) => void;

/** What each call says about the world. */
const TAKERS: Readonly<Record<string, Taker>> = {
  "state.store": (seen, call, params, answer) => seen.put(call, params, answer, params.value ?? null),
  "state.cas": (seen, call, params, answer) => {
    if (answer.swapped !== false) seen.put(call, params, answer, params.value ?? null);
  },
  "state.fetch": (seen, call, params, answer) => {
    if (answer.exists === true) seen.put(call, params, answer, answer.value);
    else seen.drop(params.key);
  },
  "state.delete": (seen, _call, params, answer) => {
    if (answer.deleted === true) seen.drop(params.key);
  },
  "fs.read": (seen, call, params, answer, tail) => {
    const raw = typeof answer.content !== "string" && tail !== undefined;
    seen.file(call, params.path, raw ? tail : answer.content, raw ? "base64" : answer.encoding);
  },
  "fs.write": (seen, call, params) => {
    if (call.tail !== undefined) seen.file(call, params.path, call.tail, "base64");
    else if (params.mode === "append") seen.append(call, params.path, String(params.content ?? ""));
    else seen.file(call, params.path, params.content ?? "", params.encoding ?? "utf8");
  },
  "fs.remove": (seen, _call, params) => seen.unlink(params.path),
  "fs.rename": (seen, _call, params) => seen.rename(params.from ?? params.path, params.to),
  "ipc.recv": (seen, call, _params, answer) => seen.mail(call, answer.messages),
  "ipc.send": (seen, call, params) => seen.posted(call, params),
  "ipc.broadcast": (seen, call, params) => seen.posted(call, params),
  "event.poll": (seen, call, _params, answer) => seen.told(call, answer.events),
};

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
