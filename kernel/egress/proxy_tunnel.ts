/**
 * A tunnel: bytes both ways, counted and not looked at.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import { EgressError } from "./errors.ts";
import type { Passage } from "./passage.ts";
import type { Session } from "./proxy_session.ts";
import type { Target } from "./target.ts";

/** Pieces of at most this many bytes. */
const PIECE = 64 * 1024;

/**
 * Opens a tunnel and carries bytes until both sides have finished, one breaks, or it is no longer allowed.
 *
 * @param accept Tells the agent that the tunnel is open.
 * @throws {EgressError} If it could not be opened; nothing was told to the agent then.
 */
export async function tunnel(
  session: Session,
  kind: "connect" | "socks",
  target: Target,
  accept: () => Promise<void>,
): Promise<void> {
  const { proxy } = session;
  const passage = proxy.enter({ kind, target, method: null });
  const onClose = () => passage.abort(new EgressError("cancelled", "The agent closed the connection"));
  session.socket.once("close", onClose);
  try {
    const socket = await passage.connect().catch((error) => {
      throw passage.fail(error);
    });
    // Either pump may be waiting for the agent, where the other end of the tunnel going away is not noticed.
    passage.signal.addEventListener("abort", () => session.socket.destroy(), { once: true });
    passage.opened();
    await accept();
    await Promise.all([
      pump(session.reader, new ByteWriter(socket), passage, "bytesUp"),
      pump(new ByteReader(socket), session.writer, passage, "bytesDown"),
    ]);
    passage.finish("ok");
  } finally {
    session.socket.off("close", onClose);
    passage.finish("the connection broke");
    proxy.leave(passage, kind);
  }
}

/** Carries one direction. Nothing is read that could not be written: that is the whole back-pressure. */
async function pump(
  from: ByteReader,
  to: ByteWriter,
  passage: Passage,
  count: "bytesUp" | "bytesDown",
): Promise<void> {
  for (let piece = await from.take(PIECE); piece !== null; piece = await from.take(PIECE)) {
    passage.touch();
    passage[count] += piece.length;
    await to.write(piece);
    passage.touch();
  }
  to.end();
}
