/**
 * Starts a program through libc: descriptors made and handed over by number, `posix_spawn` of a sealed image, the
 * kernel's ends adopted by `node:net`.
 *
 * Everything happens on the main thread in one turn, in about a millisecond: parent-death signals fire with the end
 * of the thread that spawned.
 *
 * @module
 */
import { Socket } from "node:net";
import { closeDescriptor, openDescriptor, pipe, socketPair } from "../../ffi/descriptors.ts";
import { makeImage } from "../../ffi/image.ts";
import { diskImage, type ImageFile, memoryImage } from "../../ffi/image_file.ts";
import { LibcError } from "../../ffi/errno.ts";
import { openTerminal } from "../../ffi/terminal.ts";
import { openPidfd } from "../../ffi/processes.ts";
import type { Program } from "../../ffi/program.ts";
import { type Move, posixSpawn } from "../../ffi/spawn.ts";
import { DESCRIPTORS } from "./assemble.ts";
import { type Control, libcControl } from "./control.ts";

/** The kernel's ends of a started program. */
export interface Started {
  /** The launcher's process id. */
  readonly launcher: number;
  readonly status: Socket;
  readonly channel: Socket;
  readonly stdin: Socket | null;
  readonly stdout: Socket;
  readonly stderr: Socket | null;
  /** Master side of the terminal, for its size; to be closed by {@link Started.release}. */
  readonly master: number | null;
  /** Closes what is left when the program is gone. */
  readonly release: () => void;
}

/** What {@link StartMethod.start} needs to know. */
export interface StartOptions {
  readonly stdin: "null" | "pipe";
  /** Descriptors to hand over after the kernel's pidfd, in this order; they stay the caller's. */
  readonly handOver: readonly number[];
  readonly tty: { readonly rows: number; readonly columns: number } | null;
}

/** A way to start programs. */
export interface StartMethod extends Disposable {
  /** Number of the kernel's pidfd in a program, or null when the program has to stay as monitor. */
  readonly kernelPidfd: number | null;
  /** Reaches what was started. */
  readonly control: Control;
  /**
   * Starts a program.
   *
   * @throws {LibcError} When descriptors or processes run out, or the image cannot be executed.
   */
  start(program: Program, options: StartOptions): Started;
}

/** Starts through libc. Holds what every start needs: this process's own pidfd and an open /dev/null. */
export class LibcStarter implements StartMethod {
  readonly kernelPidfd: number = DESCRIPTORS.status + 1;
  readonly control: Control = libcControl;
  readonly #pidfd: number = openPidfd(Deno.pid);
  readonly #nothing: number = openDescriptor("/dev/null", "read");
  readonly #directory: string;
  #inMemory = true;

  /** @param directory Where images go if memory files cannot be executed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  start(program: Program, options: StartOptions): Started {
    const ends = new Ends();
    try {
      const status = ends.outward();
      const channel = ends.channel();
      const streams = options.tty ? ends.terminal(options.tty) : ends.pipes(options.stdin, this.#nothing);
      const [input, output, error] = streams.theirs;
      const handedOver = [this.#pidfd, ...options.handOver, ...streams.relayed];
      const moves: Move[] = [
        { from: input, to: DESCRIPTORS.input },
        { from: output, to: DESCRIPTORS.output },
        { from: error, to: DESCRIPTORS.error },
        { from: channel.theirs, to: DESCRIPTORS.channel },
        { from: status.theirs, to: DESCRIPTORS.status },
        ...handedOver.map((from, i) => ({ from, to: this.kernelPidfd + i })),
      ];
      const launcher = this.#spawn(makeImage(program), moves);
      ends.started();
      return {
        launcher,
        status: adopt(status.ours, "read"),
        channel: adopt(channel.ours, "both"),
        stdin: streams.stdin === null ? null : adopt(streams.stdin, "write"),
        stdout: adopt(streams.stdout, "read"),
        stderr: streams.stderr === null ? null : adopt(streams.stderr, "read"),
        master: streams.master,
        release: () => {
          if (streams.master !== null) closeDescriptor(streams.master);
        },
      };
    } finally {
      ends[Symbol.dispose]();
    }
  }

  #spawn(image: Uint8Array<ArrayBuffer>, moves: readonly Move[]): number {
    if (this.#inMemory) {
      using file = memoryImage(image);
      if (file) {
        try {
          return posixSpawn(file.path, moves);
        } catch (error) {
          // A policy may forbid executing memory files; whether that was it shows with a file on disk.
          if (!(error instanceof LibcError && error.code === "EACCES")) throw error;
        }
      }
      this.#inMemory = false;
    }
    using file: ImageFile = diskImage(image, this.#directory);
    return posixSpawn(file.path, moves);
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.#pidfd);
    closeDescriptor(this.#nothing);
  }
}

interface Streams {
  /** Input, output and errors of the agent. */
  readonly theirs: readonly [number, number, number];
  readonly stdin: number | null;
  readonly stdout: number;
  readonly stderr: number | null;
  readonly master: number | null;
  /** Handed over for the relays between a terminal and the kernel's pipes: master, output, input. */
  readonly relayed: readonly number[];
}

/** Descriptors of one start: the agent's ends are closed here in any case, ours only if nothing was started. */
class Ends implements Disposable {
  readonly #theirs: number[] = [];
  #ours: number[] = [];

  /** A pipe that the agent's side writes. */
  outward(): { readonly ours: number; readonly theirs: number } {
    const { read, write } = pipe();
    this.#ours.push(read);
    this.#theirs.push(write);
    return { ours: read, theirs: write };
  }

  #inward(): { readonly ours: number; readonly theirs: number } {
    const { read, write } = pipe();
    this.#ours.push(write);
    this.#theirs.push(read);
    return { ours: write, theirs: read };
  }

  /** The pair that becomes descriptor 3. */
  channel(): { readonly ours: number; readonly theirs: number } {
    const [ours, theirs] = socketPair();
    this.#ours.push(ours);
    this.#theirs.push(theirs);
    return { ours, theirs };
  }

  pipes(input: "null" | "pipe", nothing: number): Streams {
    const stdout = this.outward();
    const stderr = this.outward();
    const stdin = input === "pipe" ? this.#inward() : null;
    return {
      theirs: [stdin?.theirs ?? nothing, stdout.theirs, stderr.theirs],
      stdin: stdin?.ours ?? null,
      stdout: stdout.ours,
      stderr: stderr.ours,
      master: null,
      relayed: [],
    };
  }

  terminal({ rows, columns }: { readonly rows: number; readonly columns: number }): Streams {
    const { master, terminal } = openTerminal(rows, columns);
    this.#ours.push(master);
    this.#theirs.push(terminal);
    const output = this.outward();
    const input = this.#inward();
    return {
      theirs: [terminal, terminal, terminal],
      stdin: input.ours,
      stdout: output.ours,
      stderr: null,
      master,
      relayed: [master, output.theirs, input.theirs],
    };
  }

  /** The program runs: our ends belong to others now. */
  started(): void {
    this.#ours = [];
  }

  [Symbol.dispose](): void {
    for (const fd of [...this.#theirs, ...this.#ours]) closeDescriptor(fd);
  }
}

/** Gives a descriptor to `node:net`, which reads it in the event loop without a thread. */
function adopt(fd: number, use: "read" | "write" | "both"): Socket {
  const socket = new Socket({ fd, readable: use !== "write", writable: use !== "read" });
  // A process that goes while something is written to it resets its end: that is its exit, not our failure.
  socket.on("error", () => socket.destroy());
  return socket;
}
