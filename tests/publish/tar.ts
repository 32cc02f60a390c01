/**
 * Reads the archives that `deno publish` uploads: ustar, gzipped.
 *
 * @module
 */

const BLOCK = 512;
const decoder = new TextDecoder();

/** Files by their path, which begins with a slash. */
export async function readArchive(
  gzipped: Uint8Array<ArrayBuffer>,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const stream = new Blob([gzipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  let longName = "";
  for (let at = 0; at + BLOCK <= bytes.byteLength;) {
    const header = bytes.subarray(at, at + BLOCK);
    const name = longName || [text(header, 345, 155), text(header, 0, 100)].filter(Boolean).join("/");
    if (name === "") break;
    const size = parseInt(text(header, 124, 12), 8);
    const content = bytes.slice(at + BLOCK, at + BLOCK + size);
    const type = text(header, 156, 1);
    // GNU's way of writing a path of more than 100 bytes: a file whose content is the name of the next one.
    if (type === "L") longName = text(content, 0, content.byteLength);
    else {
      longName = "";
      if (type === "0" || type === "") files.set(`/${name.replace(/^(\.?\/)+/, "")}`, content);
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end)).trim();
}
