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
import { openPidfd } from "../../ffi/processes.ts";
import type { Program } from "../../ffi/program.ts";
import { type Move, posixSpawn } from "../../ffi/spawn.ts";
import { DESCRIPTORS } from "./assemble.ts";

/** The kernel's ends of a started program. */
export interface Started {
  /** The launcher's process id. */
  readonly launcher: number;
  readonly status: Socket;
  readonly channel: Socket;
  readonly stdin: Socket | null;
  readonly stdout: Socket;
  readonly stderr: Socket | null;
}

/** What {@link Starter.start} needs to know. */
export interface StartOptions {
  readonly stdin: "null" | "pipe";
  /** Descriptors to hand over from number 6 on, in this order; they stay the caller's. */
  readonly handOver: readonly number[];
}

/** Holds what every start needs: this process's own pidfd and an open /dev/null. */
export class Starter implements Disposable {
  /** The number of the kernel's pidfd in a program. */
  static readonly KERNEL_PIDFD: number = DESCRIPTORS.status + 1;
  readonly #pidfd: number = openPidfd(Deno.pid);
  readonly #nothing: number = openDescriptor("/dev/null", "read");
  readonly #directory: string;
  #inMemory = true;

  /** @param directory Where images go if memory files cannot be executed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Starts a program.
   *
   * @throws {LibcError} When descriptors or processes run out, or the image cannot be executed.
   */
  start(program: Program, options: StartOptions): Started {
    const theirs: number[] = [];
    const ours: number[] = [];
    const outward = (): { ours: number; theirs: number } => {
      const { read, write } = pipe();
      ours.push(read);
      theirs.push(write);
      return { ours: read, theirs: write };
    };
    try {
      const status = outward();
      const stdout = outward();
      const stderr = outward();
      const [channel, agentChannel] = socketPair();
      ours.push(channel);
      theirs.push(agentChannel);
      let stdin: number | null = null;
      let input = this.#nothing;
      if (options.stdin === "pipe") {
        const { read, write } = pipe();
        ours.push(stdin = write);
        theirs.push(input = read);
      }
      const moves: Move[] = [
        { from: input, to: DESCRIPTORS.input },
        { from: stdout.theirs, to: DESCRIPTORS.output },
        { from: stderr.theirs, to: DESCRIPTORS.error },
        { from: agentChannel, to: DESCRIPTORS.channel },
        { from: status.theirs, to: DESCRIPTORS.status },
        { from: this.#pidfd, to: Starter.KERNEL_PIDFD },
        ...options.handOver.map((from, i) => ({ from, to: Starter.KERNEL_PIDFD + 1 + i })),
      ];
      const launcher = this.#spawn(makeImage(program), moves);
      ours.length = 0; // the sockets own them now
      return {
        launcher,
        status: adopt(status.ours, "read"),
        channel: adopt(channel, "both"),
        stdin: stdin === null ? null : adopt(stdin, "write"),
        stdout: adopt(stdout.ours, "read"),
        stderr: adopt(stderr.ours, "read"),
      };
    } finally {
      for (const fd of [...theirs, ...ours]) closeDescriptor(fd);
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
          if (!(error instanceof Error && "code" in error && error.code === "EACCES")) throw error;
        }
      }
      this.#inMemory = false;
    }
    using file: ImageFile = diskImage(image, this.#directory);
    return posixSpawn(file.path, moves);
  }

  /** Closes what it holds. */
  [Symbol.dispose](): void {
    closeDescriptor(this.#pidfd);
    closeDescriptor(this.#nothing);
  }
}

/** Gives a descriptor to `node:net`, which reads it in the event loop without a thread. */
export function adopt(fd: number, use: "read" | "write" | "both"): Socket {
  const socket = new Socket({ fd, readable: use !== "write", writable: use !== "read" });
  // Node keeps an adopted socket silent until somebody reads; an error has to have a listener all the same.
  socket.on("error", () => socket.destroy());
  return socket;
}
