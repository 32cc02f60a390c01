import type { Policy } from "./policy.ts";
import type { Rule } from "./rule.ts";
import type { Capability } from "./vocabulary.ts";

/**
 * The rules of one capability that lie within every layer: what can be said of a policy in one list. Where layers
 * overlap only in part the list says less than the policy, never more.
 */
export function shared(policy: Policy, capability: Capability): readonly Rule[] {
  const [first, ...rest] = policy.layers;
  let rules = first!.allowing(capability);
  for (const layer of rest) {
    const others = layer.allowing(capability);
    rules = distinctRules([
      ...rules.filter((rule) => others.some((other) => other.covers(rule))),
      ...others.filter((other) => rules.some((rule) => rule.covers(other))),
    ]);
  }
  return rules;
}

/** The denies of one capability, of all layers. */
export function denials(policy: Policy, capability: Capability): Rule[] {
  return policy.layers.flatMap((layer) => layer.denying(capability));
}

function distinctRules(rules: readonly Rule[]): readonly Rule[] {
  return [...new Map(rules.map((rule) => [rule.text, rule])).values()];
}
