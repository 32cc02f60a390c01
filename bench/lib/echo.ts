/** The measure of all things here: a raw `Deno.listen` echo, as small as it can be. */
const [path] = Deno.args;
for await (const connection of Deno.listen({ transport: "unix", path: path! })) {
  (async () => {
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const n = await connection.read(buffer);
      if (n === null) return;
      for (let at = 0; at < n;) at += await connection.write(buffer.subarray(at, n));
    }
  })().catch(() => connection.close());
}
