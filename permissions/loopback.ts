import { classify } from "./address.ts";
import { isLocalName } from "./net_place.ts";
import { NetPattern } from "./net_pattern.ts";
import type { Policy } from "./policy.ts";
import { shared } from "./shared.ts";

/** Whether a policy allows something on the machine's own loopback by naming it: an address of it, or `localhost`. */
export function namesLoopback(policy: Policy): boolean {
  return shared(policy, "net").some(({ pattern }) => {
    if (!(pattern instanceof NetPattern)) return false;
    const { hosts } = pattern;
    return (hosts.kind === "range" && classify(hosts.range.base) === "loopback") ||
      (hosts.kind === "name" && isLocalName(hosts.name));
  });
}
