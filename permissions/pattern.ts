import type { Need } from "./need.ts";

/** What a rule is about, compiled. */
export interface Pattern {
  /** Canonical text, as it stands in a rule. */
  readonly text: string;
  /** Whether it takes every need of its capability. */
  readonly all: boolean;
  /** Whether a rule with this pattern allows the need. In doubt: no. */
  allows(need: Need): boolean;
  /** Whether a deny with this pattern refuses the need. In doubt: yes. */
  denies(need: Need): boolean;
  /** Whether this certainly allows everything the other allows. In doubt: no. */
  covers(other: Pattern): boolean;
  /** Whether certainly nothing that the other allows is denied by this. In doubt: no. */
  spares(other: Pattern): boolean;
}
