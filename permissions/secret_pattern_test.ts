import { ok, strictEqual, throws } from "node:assert/strict";
import {
  Authority,
  covers,
  formatNeed,
  Policy,
  PolicySyntaxError,
  secretNeed,
  type SecretUse,
  weigh,
} from "./mod.ts";

const RULE =
  "secret:GITHUB_TOKEN host=https://api.github.com,*.example.com method=GET,post header=Authorization";

const use = (other: Partial<SecretUse> = {}) =>
  secretNeed("GITHUB_TOKEN", {
    scheme: "https",
    host: "api.github.com",
    port: 443,
    method: "get",
    header: "authorization",
    ...other,
  });

Deno.test("a secret is refused for every host, scheme, port, method and header that the rule does not name", () => {
  const policy = Policy.parse(RULE);
  const refused: Partial<SecretUse>[] = [
    { host: "evil.com" },
    { host: "api.github.com.evil.com" },
    { host: "example.com" },
    { scheme: "http", port: 80 },
    { port: 8443 },
    { method: "DELETE" },
    { header: "x-other" },
  ];
  for (const other of refused) ok(!weigh(policy, use(other)).allowed, JSON.stringify(other));
  for (
    const other of [{}, { method: "POST" }, { header: "AUTHORIZATION" }, {
      host: "a.b.example.com",
      port: 8080,
    }]
  ) {
    ok(weigh(policy, use(other)).allowed, JSON.stringify(other));
  }
  ok(!weigh(policy, secretNeed("OTHER")).allowed);
  ok(weigh(policy, secretNeed("GITHUB_TOKEN")).allowed, "its placeholder may be held");
});

Deno.test("a rule without words is for all places, a deny with words only for those", () => {
  ok(weigh(Policy.parse("secret:*"), use({ host: "evil.com", header: "x" })).allowed);
  const policy = Policy.parse("secret:*\ndeny secret:GITHUB_TOKEN host=evil.com");
  ok(!weigh(policy, use({ host: "evil.com" })).allowed);
  ok(weigh(policy, use()).allowed);
  ok(weigh(policy, secretNeed("GITHUB_TOKEN")).allowed);
  ok(!weigh(Policy.parse("secret:*\ndeny secret:GITHUB_TOKEN"), secretNeed("GITHUB_TOKEN")).allowed);
});

Deno.test("the text of a rule is canonical, and what a receipt misses is a rule that allows just that", () => {
  const text = Policy.parse(RULE).toString();
  strictEqual(
    text,
    "secret:GITHUB_TOKEN host=*.example.com,https://api.github.com method=GET,POST header=authorization",
  );
  strictEqual(Policy.parse(text).toString(), text);
  const missing = formatNeed(use());
  strictEqual(missing, "secret:GITHUB_TOKEN host=https://api.github.com method=GET header=authorization");
  ok(weigh(Policy.parse(missing), use()).allowed);
  ok(!weigh(Policy.parse(missing), use({ method: "POST" })).allowed);
});

Deno.test("a rule covers what is narrower in every word, and nothing that is wider in one", () => {
  const policy = Policy.parse(RULE);
  ok(covers(policy, "secret:GITHUB_TOKEN host=x.example.com method=GET header=authorization"));
  for (
    const wider of [
      "secret:*",
      "secret:GITHUB_TOKEN",
      "secret:GITHUB_TOKEN host=* method=GET header=authorization",
      "secret:GITHUB_TOKEN host=x.example.com header=authorization",
      "secret:GITHUB_TOKEN host=x.example.com method=GET",
      "secret:GITHUB_TOKEN host=api.github.com method=GET header=authorization",
    ]
  ) ok(!covers(policy, wider), wider);
});

Deno.test("words that cannot be read are refused where they stand", () => {
  for (
    const text of [
      "secret:",
      "secret:A host=",
      "secret:A host=a,,b",
      "secret:A host=a host=b",
      "secret:A method=G*T",
      "secret:A header=a:b",
      "secret:A port=1",
      "secret:A host=https://a/path",
      "secret:A GET",
    ]
  ) throws(() => Policy.parse(text), PolicySyntaxError, text);
});

Deno.test("whoever watches an authority is told of every change of what it holds", () => {
  const authority = new Authority(Policy.parse("secret:A"));
  let changes = 0;
  authority.onChange = () => changes++;
  authority.lower(Policy.parse("secret:*"));
  authority.replace(Policy.parse("secret:B"));
  const grant = authority.grant(Policy.parse("secret:C"), { from: null });
  strictEqual(changes, 3);
  grant.revoke();
  strictEqual(changes, 4);
  grant.revoke();
  strictEqual(changes, 4);
});

Deno.test("an act that is weighed twice takes one use of a counted grant", () => {
  const authority = new Authority(Policy.parse("ipc:*"));
  authority.grant(Policy.parse("secret:*"), { from: null, uses: 1 });
  const act = use();
  ok(authority.weigh(act, 0).allowed);
  ok(authority.weigh(act, 0).allowed);
  ok(!authority.weigh(use(), 0).allowed);
});
