/**
 * The terminal at this end: keys go through as they are, and its size is told.
 *
 * @module
 */

/** In characters. */
export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** The size of the terminal; null when there is none. */
export function windowSize(): WindowSize | null {
  try {
    const { rows, columns } = Deno.consoleSize();
    return rows > 0 && columns > 0 ? { rows, columns } : null;
  } catch {
    // The one way Deno tells that none of its three streams is a terminal.
    return null;
  }
}

/**
 * Hands every key through, Ctrl-C too: it is for the program in there. Undone when disposed.
 *
 * @param onResize Called with the new size whenever the window changes.
 */
export function openTty(onResize: (size: WindowSize) => Promise<unknown>): Disposable {
  const raw = Deno.stdin.isTerminal();
  const resized = (): void => {
    const size = windowSize();
    // A program that has just ended has no size: its end is told elsewhere.
    if (size) onResize(size).catch(() => {});
  };
  const settings = raw ? stty("-g") : null;
  if (raw) {
    Deno.stdin.setRaw(true);
    // Raw mode concerns input alone. The other terminal has ended its lines already; this one must not do it again.
    stty("-opost");
  }
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGWINCH", resized);
  return {
    [Symbol.dispose](): void {
      if (raw) {
        Deno.stdin.setRaw(false);
        if (settings) stty(settings);
      }
      if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGWINCH", resized);
    },
  };
}

/** Runs stty(1) on the terminal; null where there is none, which leaves the lines' ends as they are. */
function stty(setting: string): string | null {
  if (Deno.build.os === "windows") return null;
  try {
    const { success, stdout } = new Deno.Command("stty", {
      args: [setting],
      stdin: "inherit",
      stderr: "null",
    })
      .outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
