import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { EgressError } from "./errors.ts";
import { hostHeader, parseAuthority, parseHttpTarget, tunnelTarget, urlOf } from "./target.ts";

const refused = (error: unknown) => error instanceof EgressError && error.code === "bad_request";

Deno.test("What is no plain http or https URL is refused, and says why", () => {
  for (
    const [url, why] of [
      ["file:///etc/passwd", /only http and https/],
      ["ftp://example.com/", /only http and https/],
      ["gopher://example.com:70/_", /only http and https/],
      ["data:text/html,x", /only http and https/],
      ["javascript:alert(1)", /only http and https/],
      ["ws://example.com/", /only http and https/],
      ["unix:/run/docker.sock", /only http and https/],
      ["//example.com/", /no absolute URL/],
      ["example.com", /no absolute URL/],
      ["", /no absolute URL/],
      ["http://", /no absolute URL/],
      ["http://allowed.example:x@other.example/", /a user before the host/],
      ["http://allowed.example@other.example/", /a user before the host/],
      ["http://@other.example/", /a user before the host/],
      ["http://allowed.example%40other.example/", /no absolute URL/],
      ["http://allowed.example\\@other.example/", /backslash/],
      ["http://exa\tmple.com/", /control character/],
      ["http://example.com/\r\nX: 1", /control character/],
      [" http://example.com/", /space/],
      ["http://example.com:0/", /no port 0/],
      ["http://example.com:99999/", /no absolute URL/],
      ["http://exa..mple.com/", /no host name/],
      ["http://exam*ple.com/", /no host name/],
      ["http://example.1/", /no absolute URL/],
      ["http://-example.com/", /no host name/],
      ["http://[fe80::1%25eth0]/", /no absolute URL/],
      ["http://example.com/a/%2e%2e%2fadmin", /dot segment/],
      ["http://example.com/a/..%2fadmin", /dot segment/],
      ["http://example.com/a/..%5Cadmin", /dot segment/],
      ["http://example.com/a%00b", /NUL/],
      [`http://example.com/${"a".repeat(8192)}`, /the limit is 8192/],
      [`http://${"a".repeat(64)}.com/`, /no host name/],
      [`http://${"abc.".repeat(80)}com/`, /at most 253/],
    ] as const
  ) {
    throws(
      () => parseHttpTarget(url, "GET"),
      (error) => refused(error) && why.test((error as Error).message),
      url,
    );
  }
});

Deno.test("Every way to write a host becomes the one that is decided about and connected to", () => {
  for (
    const [written, host] of [
      ["EXAMPLE.com", "example.com"],
      ["example.com.", "example.com"],
      ["ex%61mple.com", "example.com"],
      ["2130706433", "127.0.0.1"],
      ["0x7f000001", "127.0.0.1"],
      ["0x7f.1", "127.0.0.1"],
      ["0177.0.0.1", "127.0.0.1"],
      ["017700000001", "127.0.0.1"],
      ["127.1", "127.0.0.1"],
      ["127.0.0.1.", "127.0.0.1"],
      ["①②⑦.0.0.1", "127.0.0.1"],
      ["0", "0.0.0.0"],
      ["[::ffff:127.0.0.1]", "127.0.0.1"],
      ["[0:0:0:0:0:FFFF:7F00:0001]", "127.0.0.1"],
      ["[0:0:0:0:0:0:0:1]", "::1"],
      ["[64:ff9b::7f00:1]", "64:ff9b::7f00:1"],
      ["bücher.example", "xn--bcher-kva.example"],
    ] as const
  ) strictEqual(parseHttpTarget(`http://${written}/`, "GET").host, host, written);
});

Deno.test("Fragment and query take no part in the host, and the query none in what is asked and logged", () => {
  const target = parseHttpTarget(
    "http://real.example:8080/a/./b?x=http://allowed.example/#@allowed.example/",
    "GET",
  );
  deepStrictEqual(
    [target.host, target.port, target.path, target.label, target.need.target],
    [
      "real.example",
      8080,
      "/a/b?x=http://allowed.example/",
      "http://real.example:8080/a/b",
      "http://real.example:8080/a/b",
    ],
  );
  strictEqual(parseHttpTarget("http://real.example#.allowed.example/", "GET").host, "real.example");
  strictEqual(parseHttpTarget("http://real.example?.allowed.example/", "GET").host, "real.example");
  strictEqual(urlOf(target), "http://real.example:8080/a/b?x=http://allowed.example/");
  strictEqual(hostHeader(parseHttpTarget("https://[::1]/", "GET")), "[::1]");
  strictEqual(hostHeader(parseHttpTarget("https://[::1]:80/", "GET")), "[::1]:80");
});

Deno.test("A tunnel's target is exactly host and port", () => {
  for (
    const text of [
      "example.com",
      "example.com:",
      "example.com:0",
      "example.com:65536",
      "example.com:443/",
      "example.com:443:443",
      "user@example.com:443",
      "http://example.com:443",
      "exam ple.com:443",
      "example.com:+443",
      "example.com:0x1bb",
      ":443",
      "::1:443",
      "[::1]443",
      "[::1%eth0]:443",
      "[example.com]:443",
      "example.com%00.allowed.example:443",
      "example.com\0:443",
      "ex%61mple.com:443",
      `${"a".repeat(300)}:443`,
    ]
  ) throws(() => parseAuthority(text), refused, text);
  for (
    const [text, host, port] of [
      ["Example.COM.:443", "example.com", 443],
      ["[::1]:22", "::1", 22],
      ["2130706433:80", "127.0.0.1", 80],
      ["[::ffff:169.254.169.254]:80", "169.254.169.254", 80],
      ["0x7f.1:65535", "127.0.0.1", 65535],
    ] as const
  ) {
    const target = parseAuthority(text);
    deepStrictEqual([target.host, target.port, target.scheme], [host, port, "tcp"], text);
  }
  strictEqual(tunnelTarget("0:0:0:0:0:0:0:1", 1).host, "::1");
});

Deno.test("Whatever the text, it is refused in our words or has a canonical host that reads the same again", () => {
  const piece = fc.constantFrom(
    "http",
    "https",
    ":",
    "//",
    "@",
    "a.b",
    "127",
    ".",
    "1",
    "[",
    "]",
    "::1",
    "%",
    "2e",
    "#",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (text) => {
      for (const parse of [(one: string) => parseHttpTarget(one, "GET"), parseAuthority]) {
        let target;
        try {
          target = parse(text);
        } catch (error) {
          if (refused(error)) continue;
          throw error;
        }
        strictEqual(tunnelTarget(target.host, target.port).host, target.host);
        if (target.scheme !== "tcp") strictEqual(parseHttpTarget(urlOf(target), "GET").path, target.path);
      }
    }),
    { numRuns: 3_000 },
  );
});
