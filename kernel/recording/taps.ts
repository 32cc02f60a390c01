/**
 * Several listeners as one.
 *
 * @module
 */
import type { Tap } from "./tap.ts";

/** Tells both; the time is the first one's, because the second keeps none. */
export function bothTaps(first: Tap, second: Tap): Tap {
  return {
    called(...call) {
      first.called(...call);
      second.called(...call);
    },
    cancelled(...call) {
      first.cancelled(...call);
      second.cancelled(...call);
    },
    answering(...answer) {
      second.answering(...answer);
      return first.answering(...answer);
    },
    pushing(...frame) {
      second.pushing(...frame);
      return first.pushing(...frame);
    },
    timeOf: (connection) => first.timeOf(connection),
  };
}
