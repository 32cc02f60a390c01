/**
 * Lines as events of the Open Cybersecurity Schema Framework (https://schema.ocsf.io, 1.3.0), for collectors.
 *
 * @module
 */
import { hex } from "./seal.ts";
import type { ChainedLine } from "./tables.ts";

const VERSION = "1.3.0";

/** A class of events with its activity. */
interface Class {
  readonly class_uid: number;
  readonly class_name: string;
  readonly category_uid: number;
  readonly category_name: string;
  readonly activity_id: number;
  readonly activity_name: string;
}

const APPLICATION = { category_uid: 6, category_name: "Application Activity" };
const IDENTITY = { category_uid: 3, category_name: "Identity & Access Management" };
const SYSTEM = { category_uid: 1, category_name: "System Activity" };
const NETWORK = { category_uid: 4, category_name: "Network Activity" };
const OTHER = { activity_id: 99, activity_name: "Other" };

function classOf({ category, event_type }: ChainedLine): Class {
  if (category === "AGENT_LIFECYCLE") {
    const activity = event_type === "AGENT_SPAWNED"
      ? { activity_id: 1, activity_name: "Launch" }
      : event_type === "AGENT_KILLED" || event_type === "AGENT_EXITED"
      ? { activity_id: 2, activity_name: "Terminate" }
      : OTHER;
    return { class_uid: 1007, class_name: "Process Activity", ...SYSTEM, ...activity };
  }
  if (category === "NETWORK") {
    return event_type === "HTTP_REQUEST" || event_type === "net.http"
      ? { class_uid: 4002, class_name: "HTTP Activity", ...NETWORK, ...OTHER }
      : { class_uid: 4001, class_name: "Network Activity", ...NETWORK, ...OTHER };
  }
  if (category === "STATE_STORE") {
    const activity = event_type === "STATE_STORED"
      ? { activity_id: 3, activity_name: "Write" }
      : event_type === "STATE_DELETED"
      ? { activity_id: 6, activity_name: "Delete" }
      : OTHER;
    return { class_uid: 6005, class_name: "Datastore Activity", ...APPLICATION, ...activity };
  }
  if (/^(PERMISSION|GRANT|APPROVAL)/.test(event_type)) {
    return { class_uid: 3005, class_name: "User Access Management", ...IDENTITY, ...OTHER };
  }
  if (event_type === "AUDIT_CONFIG_CHANGED") {
    return {
      class_uid: 3004,
      class_name: "Entity Management",
      ...IDENTITY,
      activity_id: 3,
      activity_name: "Update",
    };
  }
  return { class_uid: 6003, class_name: "API Activity", ...APPLICATION, ...OTHER };
}

/** One line as an OCSF event; what has no place there is under `unmapped`. */
export function toOcsf(line: ChainedLine, version: string): Record<string, unknown> {
  const kind = classOf(line);
  const details = JSON.parse(line.details) as Record<string, unknown>;
  const blocked = line.category === "SECURITY" && !line.success;
  const name = line.agent_name || (line.agent_id === 0 ? "kernel" : `agent ${line.agent_id}`);
  return {
    ...kind,
    type_uid: kind.class_uid * 100 + kind.activity_id,
    type_name: `${kind.class_name}: ${kind.activity_name}`,
    time: line.at,
    severity_id: blocked ? 3 : 1,
    severity: blocked ? "Medium" : "Informational",
    status_id: line.success ? 1 : 2,
    status: line.success ? "Success" : "Failure",
    ...(blocked
      ? { action_id: 2, action: "Denied", disposition_id: 2, disposition: "Blocked" }
      : { action_id: 1, action: "Allowed" }),
    message: `${line.event_type} ${name}`,
    metadata: {
      version: VERSION,
      product: { name: "Clove", vendor_name: "Clove", version },
      log_name: "audit",
      event_code: line.event_type,
      uid: String(line.id),
      sequence: line.id,
    },
    actor: { app_name: name, app_uid: String(line.agent_id) },
    src_endpoint: { name },
    api: { operation: typeof details.syscall === "string" ? details.syscall : line.event_type },
    ...(kind.class_uid === 1007
      ? { process: processOf(details, name), device: { type_id: 0, hostname: "" } }
      : {}),
    ...(kind.class_uid === 3005 ? { user: { name, uid: String(line.agent_id) } } : {}),
    ...(kind.class_uid === 3004 ? { entity: { name: "audit configuration", type: "configuration" } } : {}),
    unmapped: { category: line.category, hash: hex(line.hash), details },
  };
}

function processOf(details: Record<string, unknown>, name: string): Record<string, unknown> {
  return typeof details.pid === "number" ? { name, pid: details.pid } : { name };
}
