import { match, strictEqual } from "node:assert/strict";
import { lacks } from "../tests/facilities.ts";
import { strangerAt } from "./connection.ts";
import { Scratch } from "./fixture_test.ts";

Deno.test(
  "a socket that another user put at the default place is not trusted",
  { ignore: lacks("root") },
  async () => {
    await using scratch = await Scratch.make({ "clove.sock": "" });
    const path = scratch.at("clove.sock");
    await Deno.chown(path, 12_345, 12_345);
    match((await strangerAt(path))!, /^it belongs to user 12345, name it with --socket to trust it$/);
  },
);

Deno.test("this user's own socket is trusted, and one that is not there is nobody's", async () => {
  await using scratch = await Scratch.make({ "clove.sock": "" });
  strictEqual(await strangerAt(scratch.at("clove.sock")), null);
  strictEqual(await strangerAt(scratch.at("none.sock")), null);
});
