import { type Clove, SyscallError } from "@clove/sdk";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS } from "../exit.ts";
import { FullScreen } from "../full_screen.ts";
import { isTerminal, print, printJson } from "../terminal.ts";
import { printable, printableLines } from "../text.ts";
import { parseSeconds } from "../units.ts";
import { type Key, readKeys } from "./top_keys.ts";
import { type Look, Model, type Order, ordered, ORDERS } from "./top_model.ts";
import { drawScreen, plainTable, type Scene } from "./top_screen.ts";

const STANDARD_SECONDS = 1;
const LEAST_SECONDS = 0.1;
/** Lines of output kept while it is followed. */
const FOLLOWED_LINES = 500;
const LINE_CHARS = 1_000;
/** Nobody reads faster than this. */
const DRAW_MS = 50;
/** Between the two looks of a table that is printed once: calls a second need two. */
const ONCE_MS = 500;

/** `clove top`: agents, live. */
export const top: Command = {
  help: `Show agents as they run.

Usage: clove top [--interval TIME] [--once] [--json]

  --interval TIME   between two looks   [1s]
  --once            print the table once; so it does when it does not talk to a terminal
  --json            print one look as JSON
  --help            print this

Keys: up, down, j, k select an agent; p pauses it, r resumes it, K kills it (and asks first),
l follows its output, s changes the order (number, cpu, memory, calls), q quits.

MEM/LIMIT: memory it holds, and its limit. CALLS/S: syscalls a second. DENIED: calls refused.
IN/OUT: messages it received and sent. TOKENS: of language models.
`,
  async run(invocation) {
    const { values } = invocation.options(
      { interval: { type: "string" }, once: { type: "boolean" }, json: { type: "boolean" } },
      { min: 0, max: 0, words: "nothing" },
    );
    const seconds = values.interval === undefined
      ? STANDARD_SECONDS
      : parseSeconds("--interval", values.interval);
    await using clove = await reachKernel(invocation.socket);
    const model = new Model(clove);
    if (values.once || values.json || !isTerminal() || !Deno.stdin.isTerminal()) {
      await model.look();
      await new Promise((resolve) => setTimeout(resolve, ONCE_MS));
      const look = await model.look();
      if (values.json) await printJson(look);
      else await print(plainTable({ ...look, rows: ordered(look.rows, "number") }));
      return STATUS.ok;
    }
    await new Top(clove, model).run(Math.max(seconds, LEAST_SECONDS) * 1000);
    return STATUS.ok;
  },
};

/** The live view. */
class Top {
  readonly #clove: Clove;
  readonly #model: Model;
  readonly #stop = Promise.withResolvers<void>();
  #screen: FullScreen | null = null;
  #drawing: ReturnType<typeof setTimeout> | undefined;
  #look: Look | null = null;
  #order: Order = "number";
  #selected: number | null = null;
  #message = "";
  /** The agent somebody wants to kill, until that is confirmed or not. */
  #asked: { readonly id: number; readonly name: string } | null = null;
  #follow: { readonly name: string; lines: string[]; readonly end: AbortController } | null = null;

  constructor(clove: Clove, model: Model) {
    this.#clove = clove;
    this.#model = model;
  }

  async run(intervalMs: number): Promise<void> {
    using screen = new FullScreen({ onSignal: () => this.#stop.resolve(), onResize: () => this.#draw() });
    this.#screen = screen;
    const reader = Deno.stdin.readable.getReader();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tick = async (): Promise<void> => {
      await this.#refresh();
      timer = setTimeout(() => void tick().catch(this.#stop.reject), intervalMs);
    };
    this.#draw();
    void tick().catch(this.#stop.reject);
    void this.#readKeys(reader).catch(this.#stop.reject);
    try {
      await this.#stop.promise;
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#drawing);
      this.#follow?.end.abort();
      this.#screen = null;
      void reader.cancel().catch(() => {}); // A read that waits for a key ends with the process.
    }
  }

  async #readKeys(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return this.#stop.resolve();
      for (const key of readKeys(value)) this.#press(key);
      this.#draw();
    }
  }

  async #refresh(): Promise<void> {
    const look = await this.#model.look();
    this.#look = { ...look, rows: ordered(look.rows, this.#order) };
    const { rows } = this.#look;
    if (!rows.some(({ id }) => id === this.#selected)) this.#selected = rows[0]?.id ?? null;
    this.#draw();
  }

  #press(key: Key): void {
    if (key === "interrupt") return this.#stop.resolve();
    if (this.#asked) return this.#answer(key);
    if (this.#follow) {
      if (key !== "l" && key !== "q" && key !== "escape") return;
      this.#follow.end.abort();
      this.#follow = null;
      return;
    }
    this.#message = "";
    const row = this.#look?.rows.find(({ id }) => id === this.#selected);
    if (key === "q") this.#stop.resolve();
    else if (key === "up" || key === "k") this.#move(-1);
    else if (key === "down" || key === "j") this.#move(1);
    else if (key === "s") this.#reorder();
    else if (!row) return;
    else if (key === "p") this.#act(`paused ${row.name}`, this.#clove.agent.pause({ id: row.id }));
    else if (key === "r") this.#act(`resumed ${row.name}`, this.#clove.agent.resume({ id: row.id }));
    else if (key === "l") this.#startFollowing(row);
    else if (key === "K") {
      this.#asked = row;
      this.#message = `Kill ${printable(row.name)} (${row.id})? y or n`;
    }
  }

  #answer(key: Key): void {
    const { id, name } = this.#asked!;
    this.#asked = null;
    this.#message = "";
    if (key === "y" || key === "Y") this.#act(`killed ${name}`, this.#clove.agent.kill({ id }));
  }

  #move(by: number): void {
    const rows = this.#look?.rows ?? [];
    const at = rows.findIndex(({ id }) => id === this.#selected);
    this.#selected = rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.id ?? null;
  }

  #reorder(): void {
    this.#order = ORDERS[(ORDERS.indexOf(this.#order) + 1) % ORDERS.length]!;
    if (this.#look) this.#look = { ...this.#look, rows: ordered(this.#look.rows, this.#order) };
  }

  /** A call to the kernel beside everything else; what it refuses is said, not thrown. */
  #act(done: string, call: Promise<unknown>): void {
    call.then(() => this.#message = printable(done), (error) => {
      if (!(error instanceof SyscallError)) return this.#stop.reject(error);
      this.#message = printable(error.message);
    }).then(() => this.#screen && this.#refresh()).catch(this.#stop.reject);
  }

  #startFollowing({ id, name }: { readonly id: number; readonly name: string }): void {
    const follow = { name, lines: [""], end: new AbortController() };
    this.#follow = follow;
    this.#readOutput(id, follow).catch((error) => {
      if (follow.end.signal.aborted) return;
      if (!(error instanceof SyscallError)) return this.#stop.reject(error);
      follow.lines.push(printable(error.message));
    }).finally(() => this.#draw());
  }

  async #readOutput(id: number, follow: { lines: string[]; readonly end: AbortController }): Promise<void> {
    const { signal } = follow.end;
    const output = this.#clove.agent.output({ id, follow: true, tail_bytes: 16 * 1024 }, { signal });
    for await (const { text = "" } of output) {
      const [first, ...rest] = printableLines(text).replaceAll("\t", "    ").split("\n");
      // Whoever never ends a line does not get to fill the memory here.
      const last = (follow.lines.at(-1)! + first!).slice(-LINE_CHARS);
      follow.lines.splice(-1, 1, last, ...rest.map((line) => line.slice(0, LINE_CHARS)));
      if (follow.lines.length > 2 * FOLLOWED_LINES) {
        follow.lines.splice(0, follow.lines.length - FOLLOWED_LINES);
      }
      this.#drawSoon();
    }
    follow.lines.push("(it has ended)");
  }

  /** For what may come many times a second. */
  #drawSoon(): void {
    this.#drawing ??= setTimeout(() => this.#draw(), DRAW_MS);
  }

  #draw(): void {
    clearTimeout(this.#drawing);
    this.#drawing = undefined;
    const screen = this.#screen;
    if (!screen) return;
    const lines = this.#follow?.lines ?? [];
    const scene: Scene = {
      look: this.#look,
      order: this.#order,
      selected: this.#selected,
      message: this.#message,
      follow: this.#follow &&
        { name: this.#follow.name, lines: lines.at(-1) === "" ? lines.slice(0, -1) : lines },
    };
    screen.draw(drawScreen(scene, screen.size));
  }
}
