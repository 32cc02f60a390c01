/** How long others have to wait while something is begun. */

/**
 * Milliseconds until the event loop turns again after an act was begun: what it does at once and in microtasks.
 * Nothing is polled, because on a machine with few processors a poll would take the act's own away.
 */
export async function turnOf(act: () => Promise<unknown>): Promise<number> {
  const turned = Promise.withResolvers<number>();
  const startedAt = performance.now();
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => turned.resolve(performance.now() - startedAt);
  port2.postMessage(0);
  const ended = act();
  const took = await turned.promise;
  await ended;
  port1.close();
  port2.close();
  return took;
}
