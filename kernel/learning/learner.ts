/**
 * Runs that are learned from: an agent may do nearly everything inside its walls, what it uses is written down, and
 * at its end that becomes the smallest policy under which it can do the same again.
 *
 * @module
 */
import { closeSync, existsSync, lstatSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { SyscallError } from "@clove/sdk/protocol";
import { formatNeed, type Need } from "../../permissions/mod.ts";
import { isWithin, mountOf, outsideOf, type View } from "../../worlds/view.ts";
import type { LearningRun, SpawnRequest } from "../agents/admission.ts";
import type { Agent } from "../agents/agent.ts";
import { INSIDE } from "../agents/places.ts";
import { findProject } from "../agents/project.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import { Evidence } from "./evidence.ts";
import { learnedText } from "./learned.ts";
import { rulesFor } from "./rules.ts";
import { shownDirectories } from "./shown.ts";
import type { WatchOptions } from "./watch.ts";

/** What a {@link Learner} works with. */
export interface LearnerOptions {
  readonly log: Log;
  /** What of the machine's files an agent sees. */
  readonly viewOf: (principal: Principal) => View;
  /** Places of the kernel itself, which no agent is shown. */
  readonly protect: readonly string[];
}

/**
 * What a program may do while it is learned from: everything but what would undo its walls (`admin`), hand out
 * secrets, or read credentials.
 */
export const LEARNING_RULES: readonly string[] = [
  "blocks:paths",
  ...["fs.read:/**", "fs.write:/**", "exec:*", "exec.shell:*", "net:any", "env:*", "spawn:*", "think:*"],
  ...["ipc:*", "state:*", "event:*", "world:*"],
];

/** One run, with all agents it spawns. */
interface Run {
  readonly evidence: Evidence;
  /** Directories in which paths may be generalised. */
  readonly roots: Set<string>;
  /** Whether the uses of files by native programs were seen. */
  watched: boolean;
}

/** What a SPAWN gets in place of, and beside, its own fields. */
export type LearningExtras = Pick<SpawnRequest, "policy" | "learning" | "onPrincipal">;

/** Keeps the runs under way. */
export class Learner {
  readonly #options: LearnerOptions;
  readonly #runs = new Map<Principal, Run>();

  /** Learns from nobody yet. */
  constructor(options: LearnerOptions) {
    this.#options = options;
  }

  /**
   * Spawns an agent that is learned from, if its request names a file or its spawner is learned from.
   *
   * @param path The file for the policy; what was there is replaced when the agent has ended.
   * @param spawn Starts the agent with what it gets here.
   * @throws What `spawn` throws; {@link SyscallError} `bad_request` for a request that leaves nothing to learn from.
   */
  async spawn(
    request: SpawnRequest,
    options: { path: string | undefined; caller: Principal },
    spawn: (extras: LearningExtras) => Promise<Agent>,
  ): Promise<Agent> {
    const parent = this.#runs.get(options.caller);
    if (options.path === undefined) {
      return await spawn(parent ? this.#extras(parent, []) : {});
    }
    const policy = learningPolicy(request);
    const undo = claim(options.path);
    const run: Run = { evidence: new Evidence(), roots: new Set([INSIDE.work, INSIDE.tmp]), watched: false };
    for (const place of [...request.ro ?? [], ...request.rw ?? []]) run.roots.add(place);
    const project = request.script === undefined ? null : (await findProject(request.script)).root;
    let agent: Agent;
    try {
      const shown = shownDirectories(this.#options.protect);
      agent = await spawn({ ...this.#extras(run, shown), policy });
    } catch (error) {
      undo();
      throw error;
    }
    agent.finished.then(() => this.#write(options.path!, run, agent, project)).catch((cause) => {
      this.#options.log.error("what was learned could not be written", { path: options.path, cause });
    });
    return agent;
  }

  #extras(run: Run, shown: readonly string[]): LearningExtras {
    const learning: LearningRun = {
      shown,
      watch: (places, readable, ignored) => (listener) => {
        run.watched = true;
        this.#watch(listener, { evidence: run.evidence, places, readable, ignored }).catch((cause) => {
          this.#options.log.error("an agent's calls are no longer watched", { cause });
        });
      },
    };
    return { learning, onPrincipal: (principal) => this.#follow(principal, run) };
  }

  async #watch(listener: number, options: Omit<WatchOptions, "onFault">): Promise<void> {
    // Late, so that libc is not touched elsewhere.
    const { watchCalls } = await import("./watch.ts");
    const onFault = (cause: unknown): void =>
      this.#options.log.warn("a call could not be looked at", { cause });
    await watchCalls(listener, { ...options, onFault });
  }

  #follow(principal: Principal, run: Run): void {
    this.#runs.set(principal, run);
    principal.authority.onAllowed = (need) => this.#note(run, principal, need);
    principal.onGone(() => {
      this.#runs.delete(principal);
      principal.authority.onAllowed = null;
    });
  }

  #note({ evidence }: Run, principal: Principal, need: Need): void {
    const { capability, target } = need;
    const text = formatNeed(need);
    if (capability !== "fs.read" && capability !== "fs.write") return evidence.addNeed(text, need, text);
    const use = capability === "fs.read" ? "read" : "write";
    // The system can show no file that is yet to be made: its directory stands for it.
    const missing = use === "write" && ![INSIDE.work, INSIDE.tmp].some((own) => isWithin(target, own)) &&
      !this.#exists(principal, target);
    evidence.addFile(use, missing ? posix.dirname(target) : target, missing, text);
  }

  #exists(principal: Principal, path: string): boolean {
    const mount = mountOf(this.#options.viewOf(principal).mounts ?? [], path);
    return mount !== null && lstatSync(outsideOf(mount, path), { throwIfNoEntry: false }) !== undefined;
  }

  /** At once: whoever waits for the agent's end shall find the file. */
  #write(path: string, { evidence, roots, watched }: Run, agent: Agent, project: string | null): void {
    const rules = rulesFor(evidence, { roots: [...roots], project });
    const text = learnedText({
      rules,
      evidence,
      watched,
      exit: agent.exit,
      missing: agent.isolation?.missing ?? [],
    });
    writeFileSync(path, text, { mode: 0o600 });
  }
}

/** The policy of the run: nearly everything, and what the request adds or denies. */
function learningPolicy({ level, policy, permissions, sandboxed, network }: SpawnRequest): readonly string[] {
  const refuse = (why: string): never => {
    throw new SyscallError("bad_request", `Cannot learn from this run: ${why}`);
  };
  if (level !== undefined) refuse(`it has the level ${level}, leave it out`);
  if (permissions === "flags") {
    refuse('Deno says what it does to a broker only, leave out permissions "flags"');
  }
  if (sandboxed === false) refuse("without a sandbox it would not be confined, leave out sandboxed: false");
  if (network === true) {
    refuse("what leaves by the machine's own network is not seen, leave out network: true");
  }
  if (policy === undefined) return LEARNING_RULES;
  if (typeof policy === "string") return [...LEARNING_RULES, policy];
  if (!Array.isArray(policy)) refuse("its policy is an object, write rules");
  return [...LEARNING_RULES, ...policy as readonly string[]];
}

/**
 * Finds out now whether the file can be written, not after the run.
 *
 * @returns Takes back what was made for that.
 */
function claim(path: string): () => void {
  const was = existsSync(path);
  try {
    closeSync(openSync(path, "a", 0o600));
  } catch (cause) {
    const code = (cause as { code?: string }).code ?? String(cause);
    throw new SyscallError("unavailable", `Cannot learn into "${path}": ${code}`, { cause });
  }
  return () => {
    if (!was) unlinkSync(path);
  };
}
