/**
 * The first moments of a launch, as the status pipe tells them.
 *
 * @module
 */
import type { Socket } from "node:net";
import { LaunchError } from "../agents/launch.ts";
import { type StatusMessage, StatusReader } from "./status.ts";

/** Reads a status pipe, waits for the agent's program to run, then passes on what follows. */
export class Birth {
  /**
   * Resolves when the agent's program runs, with its number on the host if that could be told. Rejects with what
   * `explain` makes of the results, or when the pipe ends first.
   */
  readonly begun: Promise<number | null>;
  /** Resolves when launcher and init are gone. */
  readonly over: Promise<void>;
  #init = 0;
  #early: StatusMessage[] = [];
  #receiver: ((message: StatusMessage) => void) | undefined;

  /**
   * @param status The pipe.
   * @param explain Makes an error of the results that a failing program reported.
   */
  constructor(status: Socket, explain: (results: Uint8Array) => LaunchError) {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    this.begun = promise;
    const reader = new StatusReader();
    let started: Extract<StatusMessage, { kind: "started" }> | undefined;
    status.on("data", (bytes: Uint8Array) => {
      for (const message of reader.push(bytes)) {
        if (message.kind === "born") this.#init = message.init;
        else if (message.kind === "started") started = message;
        else if (message.kind === "failed") reject(explain(message.results));
        else if (this.#receiver) this.#receiver(message);
        else this.#early.push(message);
      }
      // Launcher and init run side by side: either may speak first.
      if (started && this.#init !== 0) resolve(started.pid);
    });
    const silence = "Cannot start the sandbox: its launcher ended without a word";
    this.over = new Promise((done) => {
      status.on("close", () => {
        reject(new LaunchError(silence, { step: "launch" }));
        done();
      });
    });
  }

  /** Process id of init, 0 while it is not born. */
  get init(): number {
    return this.#init;
  }

  /** Passes on messages after the beginning, those that came already first. */
  deliver(receiver: (message: StatusMessage) => void): void {
    this.#receiver = receiver;
    for (const message of this.#early) receiver(message);
    this.#early = [];
  }
}
