/**
 * A registry that speaks as much of JSR as `deno publish` and `jsr:` imports need, in memory, on loopback.
 *
 * @module
 */
import { readArchive } from "./tar.ts";

interface Version {
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly exports: unknown;
  readonly manifest: Record<string, { size: number; checksum: string }>;
}

/** A running registry. */
export class Registry implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** By `@scope/name`, then by version. */
  readonly #packages = new Map<string, Map<string, Version>>();
  readonly #token: string;

  /** @param token What uploads must carry. */
  constructor(token: string) {
    this.#token = token;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#serve(request),
    );
  }

  /** For `JSR_URL`. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** Paths of a published version, sorted. */
  files(name: string, version: string): string[] {
    return [...this.#packages.get(name)?.get(version)?.files.keys() ?? []].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #serve(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const api = /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/.exec(pathname);
    if (api) {
      const [, scope, name, version] = api;
      if (request.method === "POST" && version) {
        if (request.headers.get("authorization") !== `Bearer ${this.#token}`) return missing(401);
        await this.#publish(
          `@${scope}/${name}`,
          version,
          searchParams.get("config") ?? "",
          await request.bytes(),
        );
        return Response.json({ id: "0", status: "success", error: null });
      }
      if (!version) return Response.json({ scope, name });
      return this.#packages.get(`@${scope}/${name}`)?.has(version)
        ? Response.json({ version })
        : missing(404);
    }
    const file = /^\/(@[^/]+\/[^/]+)\/(?:(meta\.json)|([^/]+)_meta\.json|([^/]+)(\/.*))$/.exec(pathname);
    const versions = file && this.#packages.get(file[1]!);
    if (!versions) return missing(404);
    const [, name, meta, metaOf, version, path] = file;
    if (meta) {
      const [scope, short] = name!.slice(1).split("/");
      const latest = [...versions.keys()].at(-1);
      return Response.json({
        scope,
        name: short,
        latest,
        versions: Object.fromEntries([...versions.keys()].map((version) => [version, {}])),
      });
    }
    if (metaOf) {
      const found = versions.get(metaOf);
      return found ? Response.json({ exports: found.exports, manifest: found.manifest }) : missing(404);
    }
    const content = versions.get(version!)?.files.get(decodeURI(path!));
    return content ? new Response(content, { headers: { "content-type": typeOf(path!) } }) : missing(404);
  }

  async #publish(
    name: string,
    version: string,
    config: string,
    archive: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const files = await readArchive(archive);
    const configuration = files.get(config);
    if (!configuration) throw new Error(`Cannot publish ${name}: there is no "${config}" in the archive`);
    const { exports } = JSON.parse(new TextDecoder().decode(configuration));
    const manifest: Version["manifest"] = {};
    for (const [path, content] of files) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
      manifest[path] = { size: content.byteLength, checksum: `sha256-${digest.toHex()}` };
    }
    const versions = this.#packages.get(name) ?? new Map<string, Version>();
    this.#packages.set(name, versions);
    versions.set(version, {
      files,
      exports: typeof exports === "string" ? { ".": exports } : exports,
      manifest,
    });
  }
}

function missing(status: number): Response {
  return Response.json({ code: "missing", message: "not here" }, { status });
}

function typeOf(path: string): string {
  if (path.endsWith(".ts")) return "text/typescript";
  if (path.endsWith(".js")) return "text/javascript";
  if (path.endsWith(".json")) return "application/json";
  return "text/plain";
}
