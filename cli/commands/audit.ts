import type { Command, Invocation } from "../command.ts";
import { UsageError } from "../exit.ts";
import { auditConfig } from "./audit_config.ts";
import { auditLog } from "./audit_log.ts";
import { auditVerify } from "./audit_verify.ts";

const VERBS: Readonly<Record<string, (invocation: Invocation, args: readonly string[]) => Promise<number>>> =
  { log: auditLog, verify: auditVerify, config: auditConfig };

/** `clove audit`: what happened that somebody may have to answer for. */
export const audit: Command = {
  help: `Read, check and configure the audit log.

Usage: clove audit [log] [OPTION]...
       clove audit verify [--data DIR] [--json]
       clove audit config [KEY=VALUE]... [--json]

Without a verb, or with "log": the newest lines, oldest first.
  -n, --lines N         so many                              [100; "all"]
  -f, --follow          and then those that come
  --agent NAME|ID       only lines about this agent; a NAME also finds those of earlier kernels
  --category CATEGORY   SECURITY, AGENT_LIFECYCLE, IPC, STATE_STORE, RESOURCE, SYSCALL,
                        NETWORK or WORLD
  --event TYPE          only this event, such as SYSCALL_BLOCKED
  --failed              only what was refused or failed
  --since TIME          10m (ago), or a time such as 2026-02-11T10:15:30Z
  --until TIME          before that
  --text TEXT           part of the details, the event or the name
  --json                one line, one JSON object
  --ocsf                the same as events of the Open Cybersecurity Schema Framework

verify: reads the whole log again. Its status is 0 when every line is as it was written, 1 when
one is not (it is named), 3 when only the end was never signed because the kernel was killed,
2 when there was nothing to check. It asks the kernel that answers, else reads the data directory.
  --data DIR            read this directory; its kernel must not be running
  --json                print everything that was found, as JSON

config: shows what is kept, or changes it, such as log_ipc=true max_entries=50000.
  --json                print it as JSON

  --help                print this
`,
  async run(invocation) {
    const [verb = "", ...rest] = invocation.args;
    if (verb === "" || verb.startsWith("-")) return await auditLog(invocation, invocation.args);
    if (Object.hasOwn(VERBS, verb)) return await VERBS[verb]!(invocation, rest);
    throw new UsageError(
      `Cannot audit ${verb}: choose from ${Object.keys(VERBS).join(", ")}, see "clove audit --help"`,
    );
  },
};
