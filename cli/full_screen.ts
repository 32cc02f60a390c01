/**
 * The whole terminal for one command, given back as it was, whatever happens.
 *
 * @module
 */
import { type WindowSize, windowSize } from "./tty.ts";

const encoder = new TextEncoder();
const ENTER = "\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J";
const LEAVE = "\u001b[0m\u001b[?25h\u001b[?1049l";
const STYLES = {
  plain: "",
  bold: "\u001b[1m",
  dim: "\u001b[2m",
  selected: "\u001b[7m",
  warn: "\u001b[1;33m",
};
const WITHOUT_COLOUR = { ...STYLES, warn: "\u001b[1m" };

/** A line with the way it is shown; its text holds no control characters. */
export interface StyledLine {
  readonly text: string;
  readonly style: keyof typeof STYLES;
}

/** Raw keys in, lines out. */
export class FullScreen implements Disposable {
  readonly #onSignal: () => void;
  readonly #onResize: () => void;
  #open = true;

  /**
   * Takes the terminal: another screen, no cursor, keys as they are.
   *
   * @param events `onSignal`: somebody wants this process to end; `onResize`: the window has another size.
   */
  constructor(events: { onSignal: () => void; onResize: () => void }) {
    this.#onSignal = events.onSignal;
    this.#onResize = events.onResize;
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#onSignal);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGWINCH", this.#onResize);
    // Also when the process ends in a way that nobody here has thought of.
    globalThis.addEventListener("unload", this.#restore);
    Deno.stdin.setRaw(true);
    write(ENTER);
  }

  /** Its size now. */
  get size(): WindowSize {
    return windowSize() ?? { rows: 24, columns: 80 };
  }

  /** Shows lines, from the top. */
  draw(lines: readonly StyledLine[]): void {
    if (!this.#open) return;
    const styles = Deno.noColor ? WITHOUT_COLOUR : STYLES;
    const text = lines.map(({ text, style }) => `${styles[style]}${text}\u001b[0m\u001b[K`).join("\r\n");
    write(`\u001b[H${text}\u001b[J`);
  }

  /** Gives the terminal back. */
  [Symbol.dispose](): void {
    this.#restore();
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#onSignal);
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGWINCH", this.#onResize);
    globalThis.removeEventListener("unload", this.#restore);
  }

  readonly #restore = (): void => {
    if (!this.#open) return;
    this.#open = false;
    Deno.stdin.setRaw(false);
    write(LEAVE);
  };
}

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** At once, so that nothing of it can come after the terminal was given back. */
function write(text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.byteLength;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    // The terminal is gone, and its state with it.
    if (!(error instanceof Deno.errors.BrokenPipe || isGone(error))) throw error;
  }
}

function isGone(error: unknown): boolean {
  return (error as { code?: string }).code === "EIO";
}
