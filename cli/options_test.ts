import { deepStrictEqual, throws } from "node:assert/strict";
import { UsageError } from "./exit.ts";
import { readOptions, splitProgram } from "./options.ts";

const OPTIONS = {
  name: { type: "string" },
  allow: { type: "string", multiple: true },
  tty: { type: "boolean", short: "t" },
} as const;
const NONE = { min: 0, max: 0, words: "nothing" };

function refuses(args: string[], message: RegExp): void {
  throws(() => readOptions("run", args, OPTIONS, NONE), (error) => {
    return error instanceof UsageError && message.test(error.message);
  });
}

Deno.test("an unknown option, a missing value and a superfluous one are refused by name", () => {
  refuses(["--nmae", "x"], /^Cannot run: there is no option "--nmae", see "clove run --help"$/);
  refuses(["-x"], /no option "-x"/);
  refuses(["--name"], /the option "--name" needs a value/);
  refuses(["--name", "--tty"], /the value of "--name" begins with "-", write --name=VALUE/);
  refuses(["--tty=yes"], /the option "--tty" takes no value/);
  refuses(["stray"], /"stray" is one argument too many/);
  throws(() => readOptions("kill", [], {}, { min: 1, max: 1, words: "NAME or ID" }), /NAME or ID is missing/);
});

Deno.test("what follows the script or -- is the program's, whatever it looks like", () => {
  deepStrictEqual(splitProgram(["--name", "a", "-t", "x.ts", "--name", "b", "--", "c"], OPTIONS), {
    own: ["--name", "a", "-t"],
    program: ["x.ts", "--name", "b", "--", "c"],
    dashed: false,
  });
  deepStrictEqual(splitProgram(["--allow=r", "--", "sh", "-c", "true", "--", "x"], OPTIONS), {
    own: ["--allow=r"],
    program: ["sh", "-c", "true", "--", "x"],
    dashed: true,
  });
  deepStrictEqual(splitProgram(["--name", "a"], OPTIONS), {
    own: ["--name", "a"],
    program: [],
    dashed: false,
  });
});
