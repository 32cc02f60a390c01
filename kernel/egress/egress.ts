/**
 * Egress of the whole kernel: an account for each principal, a proxy for each agent that has no network of its own,
 * and one place that looks again at what is open when anybody's rights change.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type Server } from "node:net";
import type { Random } from "../../worlds/random.ts";
import type { Launcher, LaunchRequest, Layout, Process } from "../agents/launch.ts";
import type { Principal, Principals } from "../principals.ts";
import { type AccountOptions, EgressAccount } from "./account.ts";
import { Credential } from "./credential.ts";
import { PROXY_PORT, proxyVariables } from "./variables.ts";
import { namesLoopback } from "../../permissions/mod.ts";

/** What the service works with. */
export interface EgressOptions extends AccountOptions {
  readonly principals: Principals;
  readonly random: Random;
}

/** See above. */
export class Egress {
  readonly #options: EgressOptions;
  readonly #accounts = new Map<Principal, EgressAccount>();
  readonly #unwatch: () => void;
  #rechecking = false;
  #toldSealed = false;

  /** Opens nothing. */
  constructor(options: EgressOptions) {
    this.#options = options;
    this.#unwatch = options.principals.onRights(() => this.#rightsChanged());
  }

  /** A principal's account; made with its first use. */
  of(principal: Principal): EgressAccount {
    let account = this.#accounts.get(principal);
    if (account === undefined) {
      account = new EgressAccount(principal, this.#options);
      this.#accounts.set(principal, account);
      const opened = account;
      principal.onGone(() => {
        this.#accounts.delete(principal);
        opened.close();
      });
    }
    return account;
  }

  /** Ends everything open that is no longer allowed, of everybody. */
  recheck(): void {
    for (const account of this.#accounts.values()) account.recheck();
  }

  /**
   * The variables by which an agent's programs find its proxy. Where its network is the machine's, the proxy listens
   * from now on.
   *
   * @param network See {@link Layout.network}; `host` is the machine's network by wish, and needs no proxy.
   */
  async variables(
    principal: Principal,
    network: Layout["network"] | "host",
  ): Promise<Record<string, string>> {
    if (network === "host") return {};
    const loopback = namesLoopback(principal.authority.effective());
    if (network === "listening") return proxyVariables(`http://127.0.0.1:${PROXY_PORT}`, loopback);
    if (network === "sealed") {
      this.#tellSealed();
      return {};
    }
    const password = Buffer.from(this.#options.random.bytes(24)).toString("hex");
    const port = await this.#listenOutside(principal, new Credential("agent", password));
    return proxyVariables(`http://agent:${password}@127.0.0.1:${port}`, loopback);
  }

  /** A launcher whose processes without a network find their principal's proxy in their own. */
  through(launcher: Launcher): Launcher {
    return {
      description: launcher.description,
      ...(launcher.layout ? { layout: (sandboxed: boolean) => launcher.layout!(sandboxed) } : {}),
      launch: (request) => this.#launch(launcher, request),
      explain: (request) => launcher.explain(this.#listening(request)),
      probe: () => launcher.probe(),
      close: () => launcher.close(),
    };
  }

  /** Closes all accounts. */
  close(): void {
    this.#unwatch();
    for (const account of this.#accounts.values()) account.close();
    this.#accounts.clear();
  }

  async #launch(launcher: Launcher, request: LaunchRequest): Promise<Process> {
    const principal = this.#options.principals.get(request.id);
    const port = principal ? this.#accounts.get(principal)?.outsidePort ?? null : null;
    const process = await launcher.launch({
      ...(principal ? this.#listening(request) : request),
      ...(port === null ? {} : { connect: port }),
    });
    if (process.listener) this.#serveInside(principal!, process.listener, process);
    return process;
  }

  #listening(request: LaunchRequest): LaunchRequest {
    return request.network === "none" && request.sandboxed ? { ...request, listen: PROXY_PORT } : request;
  }

  #serveInside(principal: Principal, listener: Server, process: Process): void {
    const account = this.of(principal);
    const proxy = account.openProxy();
    proxy.adopt(listener);
    process.exited.then(() => account.closeProxy(proxy));
  }

  async #listenOutside(principal: Principal, credential: Credential): Promise<number> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
    const account = this.of(principal);
    account.openProxy(credential).adopt(server);
    return account.outsidePort = (server.address() as { port: number }).port;
  }

  #tellSealed(): void {
    if (this.#toldSealed) return;
    this.#toldSealed = true;
    this.#options.log.warn(
      "agents have a network of their own, but no proxy can listen in it: net rules work through net.http only, " +
        "start the kernel with --allow-ffi",
    );
  }

  /** Once for all changes of a turn: the end of an agent takes back every grant it gave, one by one. */
  #rightsChanged(): void {
    if (this.#rechecking) return;
    this.#rechecking = true;
    queueMicrotask(() => {
      this.#rechecking = false;
      this.recheck();
    });
  }
}
