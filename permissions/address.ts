import { shown } from "./text.ts";

/** What kind of place an address is. Only `public` is reachable without being named. */
export type AddressClass =
  | "public"
  | "loopback"
  | "private"
  | "link-local"
  | "metadata"
  | "multicast"
  | "unspecified"
  | "reserved";

/** An address as eight 16-bit groups; IPv4 as `::ffff:a.b.c.d`. */
export type Groups = readonly number[];

/** An address and how many leading bits of its 128 count. */
export interface Range {
  /** The first address. */
  readonly base: Groups;
  /** 0 to 128; an IPv4 `/8` is 104. */
  readonly bits: number;
}

const V4_PREFIX = [0, 0, 0, 0, 0, 0xffff];

/** Reads an address; IPv4 strictly dotted decimal, IPv6 per RFC 4291. Null for anything else, zones included. */
export function parseAddress(text: string): Groups | null {
  return text.length > 45 ? null : text.includes(":") ? parseV6(text) : mapped(parseV4(text));
}

/** Writes an address: dotted where it is IPv4, otherwise per RFC 5952. */
export function formatAddress(address: Groups): string {
  const v4 = v4Of(address);
  if (v4 !== null) return `${v4 >>> 24}.${v4 >>> 16 & 255}.${v4 >>> 8 & 255}.${v4 & 255}`;
  let best = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (address[i + run] === 0) run++;
    if (run > length) [best, length] = [i, run];
  }
  const hex = address.map((group) => group.toString(16));
  if (best < 0) return hex.join(":");
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + length).join(":")}`;
}

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address. Null for anything else, and where bits beyond the prefix are set. */
export function parseRange(text: string): Range | null {
  const [head, tail, ...rest] = text.split("/");
  const base = parseAddress(head!);
  if (base === null || rest.length > 0) return null;
  if (tail === undefined) return { base, bits: 128 };
  if (!/^(0|[1-9][0-9]{0,2})$/.test(tail)) return null;
  const v4 = !head!.includes(":");
  const bits = Number(tail) + (v4 ? 96 : 0);
  if (bits > 128) return null;
  const range = { base, bits };
  return base.every((group, i) => (group & ~mask(bits, i)) === 0) ? range : null;
}

/** Writes a range as {@linkcode parseRange} reads it. */
export function formatRange({ base, bits }: Range): string {
  if (bits === 128) return formatAddress(base);
  const v4 = v4Of(base) !== null && bits >= 96;
  return `${formatAddress(base)}/${v4 ? bits - 96 : bits}`;
}

/** Whether an address lies in a range. */
export function inRange({ base, bits }: Range, address: Groups): boolean {
  for (let i = 0; i < 8; i++) {
    if ((address[i]! & mask(bits, i)) !== base[i]) return false;
  }
  return true;
}

/**
 * What kind of place an address is, looking through the forms that carry an IPv4 address: mapped, compatible,
 * NAT64, 6to4, Teredo.
 *
 * Sources: the IANA special-purpose address registries (RFC 6890), RFC 6052, RFC 8215, RFC 3056, RFC 4380; the
 * metadata addresses from the manuals of AWS, Azure, Google Cloud, Oracle Cloud and Alibaba Cloud.
 *
 * @param ip Dotted IPv4 or IPv6 without brackets.
 * @throws {TypeError} On what is no address.
 */
export function classifyAddress(ip: string): AddressClass {
  const address = parseAddress(ip);
  if (address === null) throw new TypeError(`Cannot classify ${shown(ip)}: it is not an IP address`);
  return classify(address);
}

/** As {@linkcode classifyAddress}, of an address already read. */
export function classify(address: Groups): AddressClass {
  const v4 = v4Of(address);
  if (v4 !== null) return classifyV4(v4);
  if (METADATA_V6.some((range) => inRange(range, address))) return "metadata";
  const carried = carriedV4(address);
  if (carried.length > 0) {
    // Where it goes is decided by whichever relay takes it: the worst of what it carries counts.
    for (const inner of carried) {
      const kind = classifyV4(inner);
      if (kind !== "public") return kind;
    }
    return "public";
  }
  for (const [range, kind] of V6) if (inRange(range, address)) return kind;
  return "reserved";
}

/** Whether addresses of a class are what the word `private` of a rule opens. */
export function isInside(kind: AddressClass): boolean {
  return kind === "private" || kind === "loopback" || kind === "link-local";
}

/** The IPv4 addresses that an IPv6 address may lead to; none for an ordinary one. */
export function carriedV4(address: Groups): readonly number[] {
  const [a, b, c, d, e, f, g, h] = address as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const last = join(g, h);
  if (a === 0 && b === 0 && c === 0 && d === 0 && e === 0) {
    // Compatible form, deprecated by RFC 4291 and still understood in places; `::` and `::1` are not of it.
    if (f === 0 && (g !== 0 || h > 1)) return [last];
    if (f === 0xffff) return [last];
  }
  if (a === 0 && b === 0 && c === 0 && d === 0 && e === 0xffff && f === 0) return [last]; // SIIT, RFC 2765
  if (a === 0x64 && b === 0xff9b && c === 0 && d === 0 && e === 0 && f === 0) return [last]; // NAT64
  if (a === 0x2002) return [join(b, c)]; // 6to4
  if (a === 0x2001 && b === 0) return [join(c, d), ~last >>> 0]; // Teredo: its server, and the client inverted
  return [];
}

/** The IPv4 address that a mapped one is, as a number; null for true IPv6. */
export function v4Of(address: Groups): number | null {
  for (let i = 0; i < 6; i++) if (address[i] !== V4_PREFIX[i]) return null;
  return join(address[6]!, address[7]!);
}

/** An IPv4 number as groups. */
export function fromV4(v4: number): Groups {
  return [...V4_PREFIX, v4 >>> 16, v4 & 0xffff];
}

function classifyV4(v4: number): AddressClass {
  const address = fromV4(v4);
  for (const [range, kind] of V4) if (inRange(range, address)) return kind;
  return "public";
}

function table(
  rows: readonly (readonly [string, AddressClass])[],
): readonly (readonly [Range, AddressClass])[] {
  return rows.map(([text, kind]) => [parseRange(text)!, kind] as const);
}

// The first row that holds decides.
const V4 = table([
  ["169.254.169.254", "metadata"], // AWS, Azure, Google Cloud, Oracle and most others
  ["169.254.170.0/24", "metadata"], // AWS: credentials of ECS tasks and EKS pods
  ["169.254.0.23", "metadata"], // Tencent Cloud
  ["100.100.100.200", "metadata"], // Alibaba Cloud
  ["192.0.0.192", "metadata"], // Oracle Cloud, classic
  ["168.63.129.16", "metadata"], // Azure: the host's own endpoint
  ["0.0.0.0/8", "unspecified"],
  ["10.0.0.0/8", "private"],
  ["100.64.0.0/10", "private"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["172.16.0.0/12", "private"],
  ["192.0.0.0/24", "reserved"],
  ["192.0.2.0/24", "reserved"],
  ["192.88.99.0/24", "reserved"],
  ["192.168.0.0/16", "private"],
  ["198.18.0.0/15", "reserved"],
  ["198.51.100.0/24", "reserved"],
  ["203.0.113.0/24", "reserved"],
  ["224.0.0.0/4", "multicast"],
  ["240.0.0.0/4", "reserved"],
]);

const METADATA_V6 = [parseRange("fd00:ec2::/32")!, parseRange("fd20:ce::254")!]; // AWS, Google Cloud

const V6 = table([
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["64:ff9b:1::/48", "private"],
  ["fc00::/7", "private"],
  ["fec0::/10", "private"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
  ["2001::/23", "reserved"],
  ["2001:db8::/32", "reserved"],
  ["3fff::/20", "reserved"],
  ["2000::/3", "public"],
]);

function parseV4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}

function parseV6(text: string): Groups | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 1 ? [] : parseGroups(halves[1]!, true);
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string, mayEndInV4: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (part.includes(".")) {
      const v4 = mayEndInV4 && i === parts.length - 1 ? parseV4(part) : null;
      if (v4 === null) return null;
      groups.push(v4 >>> 16, v4 & 0xffff);
    } else {
      if (!/^[0-9A-Fa-f]{1,4}$/.test(part)) return null;
      groups.push(parseInt(part, 16));
    }
  }
  return groups.length > 8 ? null : groups;
}

function mapped(v4: number | null): Groups | null {
  return v4 === null ? null : fromV4(v4);
}

function join(high: number, low: number): number {
  return (high * 65536 + low) >>> 0;
}

/** The bits of group `i` that a prefix of `bits` covers. */
function mask(bits: number, i: number): number {
  const here = Math.min(16, Math.max(0, bits - i * 16));
  return (0xffff << (16 - here)) & 0xffff;
}
