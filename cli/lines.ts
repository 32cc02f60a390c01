/**
 * Output cut into lines, byte for byte.
 *
 * @module
 */

const LINE_FEED = 0x0a;
/** What goes on longer without a line feed is cut here: an agent may never write one. */
export const LINE_BYTES: number = 64 * 1024;

/** Lines of one stream, whatever the pieces they come in. */
export class LineCutter {
  #rest: Uint8Array = new Uint8Array(0);

  /** The lines that are whole now, each with its line feed. */
  push(bytes: Uint8Array): Uint8Array[] {
    const all = this.#rest.byteLength === 0 ? bytes : joined(this.#rest, bytes);
    const lines: Uint8Array[] = [];
    let from = 0;
    while (from < all.byteLength) {
      const feed = all.indexOf(LINE_FEED, from);
      const end = feed < 0 ? all.byteLength : feed + 1;
      if (feed < 0 && end - from < LINE_BYTES) break;
      for (; from < end; from = Math.min(from + LINE_BYTES, end)) {
        lines.push(all.subarray(from, Math.min(from + LINE_BYTES, end)));
      }
    }
    this.#rest = all.slice(from);
    return lines;
  }

  /** What is left, without a line feed; null when nothing is. */
  end(): Uint8Array | null {
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    return rest.byteLength > 0 ? rest : null;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.byteLength + b.byteLength);
  all.set(a);
  all.set(b, a.byteLength);
  return all;
}
