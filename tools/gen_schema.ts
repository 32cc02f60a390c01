/**
 * JSON Schemas of the table's rows, read once for everything that is generated from them.
 *
 * @module
 */
import { z } from "zod";
import type { Syscall } from "../kernel/syscall.ts";

/** The parts of JSON Schema that zod writes. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema | false;
  readonly prefixItems?: readonly Schema[];
  readonly $ref?: string;
}

/** What is generated for a row's method. */
export type Kind = "call" | "stream" | "subscription";

/** A row with its schemas. */
export interface Row {
  readonly family: string;
  readonly verb: string;
  readonly row: Syscall;
  readonly kind: Kind;
  readonly params: Schema;
  readonly result: Schema;
  readonly part: Schema | null;
}

/** Reads a table. */
export function readRows(table: readonly Syscall[]): Row[] {
  return table.map((row) => {
    const [family, verb, ...rest] = row.name.split(".");
    if (!family || !verb || rest.length > 0) {
      throw new Error(`Cannot use the row "${row.name}": not family.verb`);
    }
    return {
      family,
      verb,
      row,
      kind: row.streams ? "stream" : row.part ? "subscription" : "call",
      params: schemaOf(row.params, "input"),
      result: schemaOf(row.result, "output"),
      part: row.part ? schemaOf(row.part, "output") : null,
    };
  });
}

/** True when a field need not be there. */
export function isOptional(owner: Schema, name: string): boolean {
  return !owner.required?.includes(name);
}

/** True for a schema that allows every value. */
export function isAnything(schema: Schema): boolean {
  const { description: _description, default: _default, ...rest } = schema;
  return Object.keys(rest).length === 0;
}

/** A zod schema as JSON Schema: of what may be given (`input`), or of what comes out. */
export function schemaOf(schema: z.ZodType, io: "input" | "output"): Schema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  const read = rest as Schema;
  if (io === "output" || !read.required) return read;
  // What may be anything may be nothing, too.
  return { ...read, required: read.required.filter((name) => !isAnything(read.properties![name]!)) };
}
