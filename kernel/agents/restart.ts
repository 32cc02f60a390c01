/**
 * Restart policy: from what happened to what happens next. Touches nothing.
 *
 * The shape is that of OTP's supervisors and of systemd: a back-off that doubles, at most so many restarts within a
 * window, then the matter is escalated instead of tried again; a run that lasted a whole window was healthy, and what
 * went before it is forgotten.
 *
 * @module
 */

/** When to start again. */
export const RESTART_POLICIES = ["never", "on-failure", "always"] as const;

/** One of {@link RESTART_POLICIES}. */
export type RestartPolicy = (typeof RESTART_POLICIES)[number];

/** What was asked for at SPAWN. */
export interface RestartRules {
  readonly policy: RestartPolicy;
  /** Restarts within one window; one more is an escalation. 0 escalates at the first failure. */
  readonly maxRestarts: number;
  readonly windowMs: number;
  /** Before the first restart; doubles with each further one. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
}

/** What is remembered between two ends. */
export interface RestartHistory {
  /** Epoch milliseconds of the restarts within the window, oldest first. */
  readonly restarts: readonly number[];
  /** Restarts since the last healthy run; the exponent of the back-off. */
  readonly streak: number;
}

/** Nothing has happened yet. */
export const NO_HISTORY: RestartHistory = { restarts: [], streak: 0 };

/** How a run ended, as far as the decision needs it. A start that failed is a run of 0 ms. */
export interface RunEnd {
  /** False for exit status 0. */
  readonly failed: boolean;
  readonly ranMs: number;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** What to do. `history` is to be kept for the next end. */
export type RestartDecision =
  | { readonly do: "stop" }
  | {
    readonly do: "restart";
    readonly delayMs: number;
    readonly count: number;
    readonly history: RestartHistory;
  }
  | { readonly do: "escalate"; readonly count: number };

/** A delay is at most this much longer or shorter than computed, so that agents that failed together do not return together. */
const JITTER = 0.1;

/**
 * Decides what happens after an end.
 *
 * @param chance From 0 to 1, for the jitter; 0.5 is none.
 */
export function decideRestart(
  rules: RestartRules,
  history: RestartHistory,
  end: RunEnd,
  chance: number,
): RestartDecision {
  if (rules.policy === "never" || (rules.policy === "on-failure" && !end.failed)) return { do: "stop" };
  const healthy = end.ranMs >= rules.windowMs;
  const restarts = healthy ? [] : history.restarts.filter((at) => at > end.now - rules.windowMs);
  const streak = healthy ? 0 : history.streak;
  if (restarts.length >= rules.maxRestarts) return { do: "escalate", count: restarts.length };
  return {
    do: "restart",
    delayMs: backoff(rules, streak, chance),
    count: restarts.length + 1,
    history: { restarts: [...restarts, end.now], streak: streak + 1 },
  };
}

/** Doubling, bounded, then jittered. 2 to the 40th is past every bound that can be asked for. */
function backoff(rules: RestartRules, streak: number, chance: number): number {
  const plain = Math.min(rules.backoffMs * 2 ** Math.min(streak, 40), rules.backoffMaxMs);
  return Math.round(plain * (1 + JITTER * (2 * chance - 1)));
}
