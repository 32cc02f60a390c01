/**
 * Everything about one principal's way out: who decides, who resolves, what is open, what is written down.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { Audit } from "../audit/audit.ts";
import type { AuditEntry } from "../audit/entry.ts";
import { concerns, type EventBus } from "../events.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import type { Credential } from "./credential.ts";
import type { Decision } from "./decision.ts";
import { EgressError } from "./errors.ts";
import { type Gate, gateOf } from "./gate.ts";
import type { HttpHooks } from "./http_request.ts";
import { EgressProxy } from "./proxy.ts";
import { RepeatedLines } from "./repeats.ts";
import { type Lookup, Resolver } from "./resolve.ts";
import type { Substitute } from "./secrets.ts";
import { PassageWatch } from "./watch.ts";

/** What an account works with. */
export interface AccountOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Audit;
  readonly events: EventBus;
  /** Puts a principal's secrets in. */
  readonly substituteFor?: (principal: Principal) => Substitute;
  /** Resolves names; the machine's resolver when absent. */
  readonly lookup?: Lookup;
  /** Certificates (PEM) to trust beside the usual ones. */
  readonly ca?: readonly string[];
}

/** See above. Closed with its principal. */
export class EgressAccount {
  readonly principal: Principal;
  /** The port of this machine on which its proxy listens, where it has no network of its own. */
  outsidePort: number | null = null;
  /** What is open. */
  readonly watch: PassageWatch = new PassageWatch();
  readonly #options: AccountOptions;
  readonly #gate: Gate;
  readonly #resolver: Resolver;
  readonly #lines: RepeatedLines;
  readonly #proxies = new Set<EgressProxy>();

  /** Opens nothing. */
  constructor(principal: Principal, options: AccountOptions) {
    const { clock, audit, lookup } = options;
    this.principal = principal;
    this.#options = options;
    this.#gate = gateOf(principal.authority, principal.name || String(principal.id), () => clock.now());
    this.#resolver = new Resolver(lookup ? { lookup } : {});
    this.#lines = new RepeatedLines(clock, (entry) => audit.write(entry));
  }

  /** What a request of the HTTP syscall is made with. */
  get hooks(): HttpHooks & { readonly gate: Gate } {
    const { ca } = this.#options;
    return {
      gate: this.#gate,
      agent: this.principal.id,
      resolver: this.#resolver,
      watch: this.watch,
      substitute: this.#substitute,
      onDecision: this.#onDecision,
      ...(ca ? { ca } : {}),
    };
  }

  /** A proxy that is this principal's. Close it when nothing uses it any more. */
  openProxy(credential?: Credential): EgressProxy {
    const proxy = new EgressProxy({
      agent: this.principal.id,
      gate: this.#gate,
      resolver: this.#resolver,
      substitute: this.#substitute,
      onDecision: this.#onDecision,
      onFault: (cause) => {
        this.#options.log.error("a session of an egress proxy failed", {
          agent: this.principal.label,
          cause,
        });
      },
      ...(credential ? { credential } : {}),
    });
    this.#proxies.add(proxy);
    return proxy;
  }

  /** Closes a proxy of {@link openProxy}. */
  closeProxy(proxy: EgressProxy): void {
    if (this.#proxies.delete(proxy)) proxy.close();
  }

  /** Ends what is open and no longer allowed. @returns How many. */
  recheck(): number {
    let ended = this.watch.recheck();
    for (const proxy of this.#proxies) ended += proxy.recheck();
    return ended;
  }

  /** Writes a line about a secret that was used or refused. */
  noteSecret(entry: AuditEntry): void {
    const { secret, place, method, header, rule } = entry.details;
    if (entry.success === false) this.#refused(entry, `secret ${String(secret)}`);
    else this.#lines.add(JSON.stringify([secret, place, method, header, rule]), entry);
  }

  /** Ends everything. */
  close(): void {
    for (const proxy of [...this.#proxies]) this.closeProxy(proxy);
    this.watch.abort(new EgressError("cancelled", "Cannot go on: the agent has ended"));
    this.#lines.flush();
  }

  get #substitute(): Substitute | undefined {
    return this.#options.substituteFor?.(this.principal);
  }

  readonly #onDecision = (decision: Decision): void => {
    const { counts, id, name } = this.principal;
    const { kind, phase, target, method, ip, rule, receipt, status, end, bytesUp, bytesDown } = decision;
    counts.bytesUp += bytesUp;
    counts.bytesDown += bytesDown;
    const refused = !decision.allowed;
    const syscall = kind === "request" ? "net.http" : "net.proxy";
    const details = {
      syscall,
      kind,
      target,
      ...(method === null ? {} : { method }),
      ...(ip === null ? {} : { ip }),
      ...(rule === null ? {} : { rule }),
      ...(receipt === null ? {} : { need: receipt.need }),
      ...(status === null ? {} : { status }),
      end,
    };
    const entry: AuditEntry = {
      category: refused ? "SECURITY" : "NETWORK",
      event_type: refused ? "SYSCALL_BLOCKED" : phase === "open" ? "EGRESS_OPENED" : "EGRESS",
      agent_id: id,
      agent_name: name,
      success: !refused && receipt === null,
      details,
    };
    const sums = { bytes_up: bytesUp, bytes_down: bytesDown, ms: Math.round(decision.ms) };
    if (refused) this.#refused(entry, target);
    else this.#lines.add(JSON.stringify([phase, kind, target, method, ip, rule, status, end]), entry, sums);
  };

  /** The log itself counts refusals that repeat. */
  #refused(entry: AuditEntry, target: string): void {
    const { principal } = this;
    principal.counts.denials++;
    this.#options.audit.write(entry);
    const { syscall, rule } = entry.details;
    const reason = `Cannot reach it: ${String(rule ?? entry.details.end)}`;
    const data = { agent_id: principal.id, syscall, reason, target };
    this.#options.events.emit("SYSCALL_BLOCKED", data, principal.id, concerns(principal));
  }
}
