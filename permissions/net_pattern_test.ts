import { ok, strictEqual, throws } from "node:assert/strict";
import { addressAllowed, Authority, canonicalHost, connectNeed, netNeed, Policy, weigh } from "./mod.ts";

const may = (rules: string | string[], url: string, method?: string) =>
  weigh(Policy.parse(rules), netNeed(url, method)).allowed;
const resolved = (rules: string | string[], url: string, ip: string) =>
  addressAllowed(Policy.parse(rules), netNeed(url), ip).allowed;

Deno.test("what is no http or https URL makes no need", () => {
  for (
    const url of [
      "file:///etc/passwd",
      "ftp://x/",
      "api.github.com",
      "//x",
      "http://",
      "https://a b/",
      "gopher://x",
      "javascript:1",
      "",
    ]
  ) {
    throws(() => netNeed(url), TypeError, url);
  }
  throws(() => netNeed("https://x", "GET / HTTP/1.1\r\nX:"), TypeError);
  for (
    const host of [
      "",
      "a/b",
      "a@b",
      "a?b",
      "a#b",
      "a b",
      "a:b",
      "fe80::1%eth0",
      "[::1",
      "a..b",
      "x".repeat(300),
    ]
  ) {
    throws(() => connectNeed("tcp", host, 443), TypeError, host);
  }
  for (const port of [0, -1, 65536, 1.5, NaN]) throws(() => connectNeed("tcp", "x", port), TypeError);
});

Deno.test("the host that is judged is the host that would be reached", () => {
  const rules = ["net:allowed.example GET,POST", "net:*.wild.example"];
  for (
    const url of [
      "http://allowed.example:x@other.example/".replace(":x@", ":80x@"),
      "http://allowed.example@other.example/",
      "http://other.example#.wild.example",
      "http://other.example?x.wild.example",
      "http://other.example/.wild.example",
      "http://other.example\\.wild.example/",
      "http://xwild.example/",
      "http://wild.example/",
      "http://allowed.example.other.example/",
      "http://127.0.0.1.wild.example.other/",
    ]
  ) strictEqual(may(rules, url), false, url);
  for (
    const url of [
      "http://allowed.example/",
      "https://ALLOWED.example.:8443/x",
      "http://u:p@allowed.example/",
      "https://a.b.wild.example/",
    ]
  ) {
    strictEqual(may(rules, url), true, url);
  }
});

Deno.test("hosts have one spelling", () => {
  const table: [string, string][] = [
    ["EXAMPLE.com.", "example.com"],
    ["0x7f.1", "127.0.0.1"],
    ["2130706433", "127.0.0.1"],
    ["0177.0.0.1", "127.0.0.1"],
    ["127.1", "127.0.0.1"],
    ["[::ffff:127.0.0.1]", "127.0.0.1"],
    ["::ffff:7f00:1", "127.0.0.1"],
    ["[0:0:0:0:0:0:0:1]", "::1"],
    ["１２７.0.0.1", "127.0.0.1"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["ex%61mple.com", "example.com"],
  ];
  for (const [host, canonical] of table) strictEqual(canonicalHost(host), canonical);
});

Deno.test("scheme, port, method and path are each held to", () => {
  const rule = "net:https://api.github.com GET,POST /repos/**";
  ok(may(rule, "https://api.github.com/repos/x"));
  ok(may(rule, "https://api.github.com/%72epos/x", "post"));
  for (
    const [url, method] of [
      ["http://api.github.com/repos/x", "GET"],
      ["https://api.github.com:8443/repos/x", "GET"],
      ["https://api.github.com/repos/x", "DELETE"],
      ["https://api.github.com/user", "GET"],
      ["https://api.github.com/repos/../user", "GET"],
      ["https://api.github.com/repos/%2e%2e/user", "GET"],
      ["https://api.github.com/repos/..%2fuser", "GET"],
      ["https://api.github.com/repos/%2E%2E%5Cuser", "GET"],
      ["https://api.github.com/repos//user", "GET"],
      ["https://api.github.com/repos/..;/user", "GET"],
      ["https://api.github.com/repositories", "GET"],
    ] as const
  ) strictEqual(may(rule, url, method), false, `${method} ${url}`);
  ok(may("net:example.com", "http://example.com:9999/"));
  ok(may("net:*.example.com:443", "https://a.example.com/"));
  strictEqual(may("net:*.example.com:443", "http://a.example.com/"), false);
  ok(may("net:https://example.com:*", "https://example.com:9999/"));
});

Deno.test("a deny holds however the path is written", () => {
  const rules = ["net:https://x.org", "deny net:https://x.org /admin/**"];
  ok(may(rules, "https://x.org/public"));
  for (
    const path of [
      "/admin",
      "/admin/x",
      "/%61dmin/x",
      "//admin/x",
      "/x/../admin",
      "/x/..%2fadmin",
      "/admin;v=1/x",
      "/x%5C..%5Cadmin",
    ]
  ) {
    strictEqual(may(rules, `https://x.org${path}`), false, path);
  }
  strictEqual(
    weigh(Policy.parse(rules), connectNeed("https", "x.org", 443)).allowed,
    false,
    "a tunnel hides the path",
  );
});

Deno.test("a tunnel, which hides method and path, is not opened by a rule that limits them", () => {
  const limited = Policy.parse("net:https://x.org GET");
  strictEqual(weigh(limited, connectNeed("https", "x.org", 443)).allowed, false);
  strictEqual(weigh(limited, connectNeed("tcp", "x.org", 443)).allowed, false);
  ok(weigh(limited, connectNeed("tcp", "x.org", 443, { inspected: true })).allowed);
  const open = Policy.parse("net:https://x.org");
  ok(weigh(open, connectNeed("https", "x.org", 443)).allowed);
  ok(weigh(open, connectNeed("tcp", "x.org", 443)).allowed);
  strictEqual(weigh(open, connectNeed("tcp", "x.org", 22)).allowed, false);
  strictEqual(weigh(open, connectNeed("http", "x.org", 443)).allowed, false);
});

Deno.test("a star and a name reach public addresses only, under any spelling", () => {
  const inside = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://a.localhost/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a00:1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[2002:a00:1::]/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://169.254.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
  ];
  for (const url of inside) strictEqual(may("net:*", url), false, url);
  ok(may("net:*", "http://8.8.8.8/"));
  ok(may("net:*", "http://[2606:4700::1111]/"));
  for (
    const ip of [
      "10.0.0.1",
      "127.0.0.1",
      "::1",
      "169.254.169.254",
      "::ffff:10.0.0.1",
      "64:ff9b::a00:1",
      "no address",
    ]
  ) {
    strictEqual(resolved("net:*", "https://x.org/", ip), false, ip);
    strictEqual(resolved("net:x.org", "https://x.org/", ip), false, ip);
  }
  ok(resolved("net:*", "https://x.org/", "93.184.216.34"));
  strictEqual(resolved("net:other.org", "https://x.org/", "93.184.216.34"), false);
});

Deno.test("an address or a range that is named is granted, and nothing beside it", () => {
  ok(may("net:http://127.0.0.1:8080", "http://127.0.0.1:8080/x"));
  strictEqual(may("net:http://127.0.0.1:8080", "http://127.0.0.1/"), false);
  strictEqual(may("net:http://127.0.0.1:8080", "http://127.0.0.2:8080/"), false);
  strictEqual(may("net:http://127.0.0.1:8080", "http://localhost:8080/"), false);
  ok(may("net:10.0.0.0/8", "http://10.255.0.1/"));
  ok(may("net:10.0.0.0/8", "http://[::ffff:10.0.0.1]/"));
  strictEqual(may("net:10.0.0.0/8", "http://11.0.0.1/"), false);
  ok(may("net:fd00::/8", "http://[fd12::1]:99/"));
  ok(may("net:localhost:8080", "http://localhost:8080/"));
  ok(resolved("net:localhost:8080", "http://localhost:8080/", "::1"));
  strictEqual(resolved("net:localhost:8080", "http://localhost:8080/", "10.0.0.1"), false);
  strictEqual(resolved(["net:10.0.0.0/8"], "http://intranet/", "10.0.0.1"), false, "a range grants no name");
  ok(
    resolved(["net:10.0.0.0/8", "net:intranet"], "http://intranet/", "10.0.0.1"),
    "name and address are both granted",
  );
  strictEqual(resolved(["net:10.0.0.0/8:443", "net:intranet"], "http://intranet/", "10.0.0.1"), false);
});

Deno.test("the word private opens private, loopback and link-local addresses, never metadata", () => {
  ok(resolved("net:intranet.corp private", "http://intranet.corp/", "10.0.0.1"));
  ok(resolved("net:intranet.corp private", "http://intranet.corp/", "8.8.8.8"));
  ok(may("net:private", "http://192.168.0.1/"));
  ok(may("net:private", "http://localhost/"));
  ok(may("net:* private", "http://127.0.0.1/"));
  strictEqual(may("net:private", "http://8.8.8.8/"), false);
  for (const rule of ["net:private", "net:* private"]) {
    strictEqual(may(rule, "http://169.254.169.254/"), false, rule);
  }
  strictEqual(resolved("net:intranet.corp private", "http://intranet.corp/", "169.254.169.254"), false);
  ok(may("net:169.254.169.254", "http://169.254.169.254/"));
  ok(may("level:unrestricted", "http://169.254.169.254/"));
});

Deno.test("a denied range holds for names that resolve into it, in every form", () => {
  const rules = ["level:unrestricted", "deny net:10.0.0.0/8"];
  for (const ip of ["10.1.1.1", "::ffff:10.1.1.1", "64:ff9b::a01:101", "2002:a01:101::"]) {
    strictEqual(resolved(rules, "https://x.org/", ip), false, ip);
  }
  ok(resolved(rules, "https://x.org/", "11.1.1.1"));
});

Deno.test("a grant for one act serves its address check too, and no second act", () => {
  const agent = new Authority(Policy.level("sandboxed"));
  agent.grant(Policy.parse("net:https://x.org"), { from: null, uses: 1 });
  const need = netNeed("https://x.org/");
  ok(agent.weigh(need, 0).allowed);
  ok(addressAllowed(agent, need, "93.184.216.34", 0).allowed);
  strictEqual(addressAllowed(agent, need, "10.0.0.1", 0).allowed, false);
  strictEqual(agent.weigh(netNeed("https://x.org/"), 0).allowed, false);
  strictEqual(addressAllowed(agent, netNeed("https://x.org/"), "93.184.216.34", 0).allowed, false);
});
