/**
 * Egress: how an agent's bytes leave, by the HTTP syscall or through its proxy, and only to where its authority allows.
 *
 * @module
 */
export { Credential } from "./credential.ts";
export { type Gate, gateOf } from "./gate.ts";
export type { Decision, OnDecision } from "./decision.ts";
export { type EgressCode, EgressError } from "./errors.ts";
export { EGRESS_LIMITS, type EgressLimits, HTTP_LIMITS } from "./limits.ts";
export { type Lookup, Resolver, type ResolverOptions, systemLookup } from "./resolve.ts";
export type { SecretPlace, Substitute } from "./secrets.ts";
export type { Header } from "./http1.ts";
export { headerObject } from "./headers.ts";
export {
  type HttpResponse,
  type HttpStream,
  request,
  requestPlanned,
  requestStream,
  requestStreamPlanned,
} from "./http_client.ts";
export { type HttpHooks, type HttpRequest, type Plan, planRequest } from "./http_request.ts";
export { Egress, type EgressOptions } from "./egress.ts";
export { EgressAccount } from "./account.ts";
export { PassageWatch } from "./watch.ts";
export { EgressProxy, type ProxyOptions, type ProxyStats } from "./proxy.ts";
