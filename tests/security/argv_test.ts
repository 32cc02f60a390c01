/** Command lines: no text of an agent's ever becomes a shell's, and an allowed command means its arguments too. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { lacks } from "../facilities.ts";
import { kernelWithout, NO_WALLS, testRequests } from "./attacked.ts";
import { outputOf, runPython } from "./python_agent.ts";

testRequests(["ask-exec", "ask-shell"]);

/** Makes EXEC requests and prints, for each, what came out or the word it was refused with. */
const running = (requests: readonly Record<string, unknown>[]): string => `
told = []
for request in json.loads(${JSON.stringify(JSON.stringify(requests))}):
    if "argv" in request: request["argv"][0] = request["argv"][0].replace("./", os.getcwd() + "/")
    try: told.append(ask(0x02, {**request, "async": False})["stdout"].strip())
    except Stopped as error: told.append(error.word)
print(json.dumps(told))`;

/** What would write a file if a shell read it. */
const INJECTIONS = [
  "hi; touch injected",
  "hi && touch injected",
  "hi | touch injected",
  "$(touch injected)",
  "`touch injected`",
  "hi\ntouch injected",
  "hi > injected",
  "${IFS}&touch${IFS}injected",
];

for (const [how, without] of [["behind walls", []], ["without walls", null]] as const) {
  const ignore = lacks("linux", "python3") || (without !== null && Deno.uid() !== 0 && lacks("userns"));
  Deno.test({
    name: `what a shell would run stays text, ${how}`,
    ignore,
    async fn() {
      await using attacked = await kernelWithout(without);
      await using clove = await connect({ path: attacked.socket });
      const look = "print(os.path.exists('injected'))";
      const asked = [
        ...INJECTIONS.map((text) => ({ argv: ["echo", text] })),
        ...INJECTIONS.map((text) => ({ command: `echo ${text}` })),
      ];
      const policy = ["exec:echo *"];
      const text = await runPython(clove, `${running(asked)}\n${look}`, { level: "sandboxed", policy });
      const [told, injected] = text.split("\n");
      strictEqual(injected, "False", told);
      const words = JSON.parse(told!) as string[];
      deepStrictEqual(words.slice(0, INJECTIONS.length), INJECTIONS);
      // As one text they are refused by name: only a shell could do what they say.
      deepStrictEqual(new Set(words.slice(INJECTIONS.length)), new Set(["bad_request"]));

      // The same text does what it says where a shell is allowed and asked for.
      const shell = [{ command: `echo ${INJECTIONS[0]}`, shell: true }];
      const free = { level: "sandboxed", policy: ["exec:*", "exec.shell:*"] } as const;
      strictEqual((await runPython(clove, `${running(shell)}\n${look}`, free)).split("\n")[1], "True");
    },
  });

  Deno.test({
    name: `an allowed command is its first arguments too, and no other program by its name, ${how}`,
    ignore,
    async fn() {
      await using attacked = await kernelWithout(without);
      await using clove = await connect({ path: attacked.socket });
      const own = `with open("echo", "w") as file: file.write("#!/bin/sh\\nprintf planted")
os.chmod("echo", 0o755)
os.environ["PATH"] = os.getcwd()
`;
      const asked = [
        { argv: ["echo", "hi"] },
        { argv: ["echo", "hi", "--more"] },
        { argv: ["echo", "hi there"] },
        { argv: ["./echo", "hi"] },
        { argv: ["echo", "hi"], env: { PATH: "." } },
        { argv: ["env", "echo", "hi"] },
        { argv: ["echo"] },
      ];
      const told = await runPython(clove, own + running(asked), {
        level: "sandboxed",
        policy: ["exec:echo hi"],
      });
      deepStrictEqual(JSON.parse(told), [
        "hi",
        "hi --more",
        "denied",
        "denied",
        "hi",
        "denied",
        "denied",
      ]);
      const open = { level: "sandboxed", policy: ["exec:*"] } as const;
      const all = JSON.parse(await runPython(clove, own + running(asked), open));
      deepStrictEqual(all.slice(0, 3), ["hi", "hi --more", "hi there"]);
      if (without === null) strictEqual(all[3], "planted");
    },
  });
}

Deno.test({
  name: "what follows a program in SPAWN is its arguments, never a shell's text or the interpreter's options",
  ignore: lacks("linux", "python3"),
  async fn() {
    await using attacked = await kernelWithout(null);
    await using clove = await connect({ path: attacked.socket });
    const args = ["-c", "print('injected')", "; touch injected", "$(id)", "--help"];
    const code = "import sys; print(sys.argv[1:])";
    const directory = await Deno.makeTempDir({ prefix: "clove-security-" });
    try {
      const script = `${directory}/arguments.py`;
      await Deno.writeTextFile(script, code);
      const { agent_id: id } = await clove.agent.spawn({ script, args });
      deepStrictEqual((await outputOf(clove, id)).stdout, `[${args.map(python).join(", ")}]`);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

/** As Python's repr writes a text without both kinds of quotes. */
function python(text: string): string {
  return text.includes("'") ? `"${text}"` : `'${text}'`;
}

Deno.test({
  name:
    "behind walls a path names the agent's own file: its program runs, the host's of that name does not exist",
  ignore: NO_WALLS,
  async fn() {
    const outside = await Deno.makeTempFile({ dir: "/var/tmp", prefix: "clove-host-program-" });
    try {
      await Deno.writeTextFile(outside, "#!/bin/sh\necho the host's\n");
      await Deno.chmod(outside, 0o755);
      await using attacked = await kernelWithout([]);
      await using clove = await connect({ path: attacked.socket });
      const code = `
open("/work/prog", "w").write("#!/bin/sh\\necho ran in $PWD\\n")
os.chmod("/work/prog", 0o755)
${running([{ argv: ["/work/prog"] }, { argv: ["/work/none"] }, { argv: ["/bin/echo", "found"] }])}
try: print(ask(0x02, {"argv": ["${outside}"], "async": False})["stdout"])
except Stopped: print("refused")`;
      const [told, host] = (await runPython(clove, code, { level: "sandboxed", policy: ["exec:*"] })).split(
        "\n",
      );
      deepStrictEqual(JSON.parse(told!), ["ran in /work", "not_found", "found"]);
      strictEqual(host, "refused");
    } finally {
      await Deno.remove(outside);
    }
  },
});
