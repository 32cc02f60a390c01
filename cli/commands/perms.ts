import type { Command, Invocation } from "../command.ts";
import { UsageError } from "../exit.ts";
import { permsExplain } from "./perms_explain.ts";
import { permsGrant, permsRevoke } from "./perms_grant.ts";
import { permsSet, permsShow } from "./perms_show.ts";

const VERBS: Readonly<Record<string, (invocation: Invocation, args: readonly string[]) => Promise<number>>> =
  {
    show: permsShow,
    set: permsSet,
    grant: permsGrant,
    revoke: permsRevoke,
    explain: permsExplain,
  };

/** `clove perms`: what an agent may do. */
export const perms: Command = {
  help: `Show and change what an agent may do, also while it runs.

Usage: clove perms show NAME|ID
       clove perms set NAME|ID LEVEL
       clove perms set NAME|ID --policy FILE
       clove perms grant NAME|ID RULE... [--for TIME] [--uses N]
       clove perms revoke NAME|ID [GRANT]...
       clove perms revoke --kept NAME
       clove perms explain NAME|ID ACT

LEVEL is unrestricted, standard, sandboxed, readonly or minimal. A RULE is one argument, such as
fs.read:/srv/data/** or "net:https://api.example.com GET /v1/**".

show prints a policy file, with grants as comments. set replaces the policy, and narrows grants
to it. grant adds to it, whatever the policy denies; revoke takes grants back, all of them where
no number is given: what an agent reaches next, and what it has open, is decided anew.
  --policy FILE   rules, one a line; what "show" prints can be used
  --for TIME      for so long, such as 10m; without it as long as the agent lives
  --uses N        for so many acts
  --kept          forget what agents of this name were given for good, by "clove approvals"

explain tells whether an agent may do something, and by which rule: fs.read:/etc/hosts,
"net:https://host/path POST", "exec:git status". Its status is 1 when the answer is no.

  --json          print everything the kernel says, as JSON
  --help          print this
`,
  async run(invocation) {
    const [verb = "", ...rest] = invocation.args;
    if (Object.hasOwn(VERBS, verb)) return await VERBS[verb]!(invocation, rest);
    // Whoever asks for help gets it before being told that a verb is missing.
    invocation.options({}, { min: 0, max: Infinity, words: "a verb" });
    throw new UsageError(
      `Cannot perms ${verb}: choose from ${Object.keys(VERBS).join(", ")}, see "clove perms --help"`,
    );
  },
};
