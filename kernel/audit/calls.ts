/**
 * Lines about ordinary calls, where the configuration asks for them, and about what was refused in any case.
 *
 * @module
 */
import type { Observer } from "../dispatch.ts";
import type { Syscall } from "../syscall.ts";
import type { Audit } from "./audit.ts";
import { SWITCHES } from "./config.ts";
import type { AuditCategory } from "./entry.ts";

/** The category of a family; all others are SYSCALL. */
const FAMILY: Readonly<Record<string, AuditCategory>> = {
  ipc: "IPC",
  state: "STATE_STORE",
  net: "NETWORK",
  tunnel: "NETWORK",
  world: "WORLD",
};

/** What a successful call of these means, in the log's words; every other line carries the syscall's name. */
const EVENTS: Readonly<Record<string, string>> = {
  "ipc.send": "MESSAGE_SENT",
  "ipc.broadcast": "BROADCAST",
  "ipc.register": "NAME_REGISTERED",
  "state.store": "STATE_STORED",
  "state.delete": "STATE_DELETED",
  "net.http": "HTTP_REQUEST",
  "tunnel.connect": "TUNNEL_CONNECTED",
  "world.create": "WORLD_CREATED",
  "world.destroy": "WORLD_DESTROYED",
  "world.join": "WORLD_JOINED",
  "world.leave": "WORLD_LEFT",
  "world.event": "WORLD_EVENT",
};

interface Kind {
  readonly category: AuditCategory;
  readonly event: string;
}

/** Told of every finished call, it writes the lines. Costs a few comparisons when nothing is asked for. */
export function auditCalls(audit: Audit): Observer {
  const kinds = new Map<Syscall, Kind>();
  const kindOf = (row: Syscall): Kind => {
    const known = kinds.get(row);
    if (known) return known;
    const family = row.name.slice(0, row.name.indexOf("."));
    const kind = { category: FAMILY[family] ?? "SYSCALL", event: EVENTS[row.name] ?? row.name };
    kinds.set(row, kind);
    return kind;
  };
  return {
    finished({ row, caller, params, answer, durationMs }): void {
      const { outcome } = answer;
      const { config } = audit;
      const kind = kindOf(row);
      const category = config[SWITCHES[kind.category]] ? kind.category : "SYSCALL";
      const refused = outcome === "denied" || outcome === "quota";
      if (!refused && !config[SWITCHES[category]]) return;
      const call: Record<string, unknown> = { syscall: row.name };
      if (params !== undefined) Object.assign(call, row.record(params));
      if (refused && !audit.toldOf(caller.id, row.name)) {
        const { receipt } = (answer.json ?? {}) as { receipt?: { need?: string; rule?: string } };
        audit.write({
          category: "SECURITY",
          event_type: outcome === "quota" ? "QUOTA_EXCEEDED" : "SYSCALL_BLOCKED",
          agent_id: caller.id,
          agent_name: caller.name,
          success: false,
          details: { ...call, need: receipt?.need, rule: receipt?.rule },
        });
      }
      if (!config[SWITCHES[category]]) return;
      if (outcome !== "ok") call.code = outcome;
      call.duration_us = Math.round(durationMs * 1000);
      audit.write({
        category,
        event_type: category === kind.category && outcome === "ok" ? kind.event : row.name,
        agent_id: caller.id,
        agent_name: caller.name,
        success: outcome === "ok",
        details: call,
      });
    },
  };
}
