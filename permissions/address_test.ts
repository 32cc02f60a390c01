import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { formatAddress, parseAddress, parseRange } from "./address.ts";
import { type AddressClass, classifyAddress } from "./mod.ts";

Deno.test("what is no address is not classified", () => {
  for (
    const text of [
      "",
      "localhost",
      "1.2.3",
      "01.2.3.4",
      "1.2.3.256",
      "0x7f.0.0.1",
      ":::",
      "1::2::3",
      "::g",
      "fe80::1%eth0",
      "[::1]",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "::1.2.3.4.5",
      "1.2.3.4::",
    ]
  ) {
    strictEqual(parseAddress(text), null, text);
    throws(() => classifyAddress(text), TypeError);
  }
  for (const text of ["10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8/8", "10.0.0.0/08", "fd00::1/8", "::/129"]) {
    strictEqual(parseRange(text), null, text);
  }
});

Deno.test("each address is of its class, whatever carries it", () => {
  const table: Record<AddressClass, string[]> = {
    "public": [
      "8.8.8.8",
      "172.32.0.1",
      "100.128.0.1",
      "2606:4700::1111",
      "::ffff:8.8.8.8",
      "64:ff9b::808:808",
      "2002:808:808::1",
    ],
    "loopback": [
      "127.0.0.1",
      "127.255.255.254",
      "::1",
      "::ffff:127.0.0.1",
      "::127.0.0.1",
      "64:ff9b::7f00:1",
      "2002:7f00:1::",
    ],
    "private": [
      "10.0.0.1",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.0.1",
      "100.64.0.1",
      "fc00::1",
      "fd12::1",
      "fec0::1",
      "::ffff:10.0.0.1",
      "::10.0.0.1",
      "64:ff9b::a00:1",
      "64:ff9b:1::808:808",
      "2002:c0a8:1::",
      "2001:0:a00:1::1",
      "2001:0:808:808::f5ff:fffe",
      "::ffff:0:10.0.0.1",
    ],
    "link-local": ["169.254.1.1", "fe80::1", "febf::1", "::ffff:169.254.1.1"],
    "metadata": [
      "169.254.169.254",
      "169.254.170.2",
      "100.100.100.200",
      "168.63.129.16",
      "192.0.0.192",
      "fd00:ec2::254",
      "fd20:ce::254",
      "::ffff:a9fe:a9fe",
      "64:ff9b::169.254.169.254",
      "2002:a9fe:a9fe::",
    ],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "64:ff9b::"],
    "reserved": [
      "255.255.255.255",
      "240.0.0.1",
      "192.0.0.1",
      "192.0.2.1",
      "198.18.0.1",
      "198.51.100.1",
      "203.0.113.1",
      "192.88.99.1",
      "2001:db8::1",
      "3fff::1",
      "100::1",
      "2001:2::1",
      "4000::1",
      "5f00::1",
    ],
  };
  for (const [kind, addresses] of Object.entries(table)) {
    for (const address of addresses) strictEqual(classifyAddress(address), kind, address);
  }
});

Deno.test("an address is written in one way", () => {
  const table: [string, string][] = [
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["fe80:0:0:0:0:0:0:0", "fe80::"],
  ];
  for (const [text, canonical] of table) strictEqual(formatAddress(parseAddress(text)!), canonical);
  deepStrictEqual(parseRange("10.0.0.0/8")!.bits, 104);
});
