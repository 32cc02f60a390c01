import type { Layer } from "./layer.ts";
import { Policy } from "./policy.ts";
import type { Rule } from "./rule.ts";

/**
 * Whether a policy certainly allows everything that another one, or one rule, does. Conservative: `false` may also
 * mean that it is not obvious. A deny of the outer policy that could touch what the inner one allows, such as a
 * default block within `/work/**`, must stand in the inner one too.
 *
 * @param inner A policy, or rule text such as `fs.read:/srv/**`.
 * @throws {PolicySyntaxError} If the rule text cannot be read.
 */
export function covers(outer: Policy, inner: Policy | string): boolean {
  const policy = typeof inner === "string" ? Policy.parse(inner) : inner;
  return outer.layers.every((layer) =>
    // What all layers of the inner policy allow is within what any one of them allows.
    policy.layers.some((within) => {
      if ((within.parts.expires ?? Infinity) > (layer.parts.expires ?? Infinity)) return false;
      if ((within.parts.maxExecTimeMs ?? Infinity) > (layer.parts.maxExecTimeMs ?? Infinity)) return false;
      return within.parts.rules.every((rule) => rule.deny || coversRule(layer, within, rule));
    })
  );
}

/**
 * Whether several policies together certainly allow everything that another one does: for each of its rules one of
 * them that does. As conservative as {@linkcode covers}; when policies end is not looked at.
 */
export function coversTogether(outers: readonly Policy[], inner: Policy): boolean {
  // What all layers of the inner policy allow is within what any one of them allows.
  return inner.layers.some((within) =>
    within.parts.rules.every((rule) =>
      rule.deny || outers.some((outer) => outer.layers.every((layer) => coversRule(layer, within, rule)))
    )
  );
}

/** Whether one layer allows all that a rule of another one does there. */
function coversRule(layer: Layer, within: Layer, rule: Rule): boolean {
  const { capability } = rule;
  return layer.allowing(capability).some((allow) => allow.covers(rule)) &&
    layer.denying(capability).every((deny) =>
      deny.pattern.spares(rule.pattern) || hasDeny(within.denying(capability), deny)
    );
}

/** {@linkcode covers}, under the name that reads better in a condition. */
export const includes: (outer: Policy, inner: Policy | string) => boolean = covers;

function hasDeny(denies: readonly Rule[], deny: Rule): boolean {
  return denies.some((mine) => mine.text === deny.text || mine.pattern.covers(deny.pattern));
}
