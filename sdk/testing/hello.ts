/**
 * A program for tests: connects as told by its surroundings, says what it found, makes one request, ends by itself.
 *
 * @module
 */
import { connect, ConnectionError } from "../mod.ts";

try {
  const clove = await connect();
  const answer = await clove.request(0x00, { n: 1 });
  console.log(JSON.stringify({ protocol: clove.protocol, agentId: clove.agentId, answer }));
} catch (error) {
  if (!(error instanceof ConnectionError)) throw error;
  console.log(JSON.stringify({ error: error.message }));
}
