/**
 * How programs are told about a proxy: by environment variables, as curl began it and most others follow.
 *
 * @module
 */

/** Where the proxy listens inside an agent's own network. Nobody else is there; 3128 is what proxies usually have. */
export const PROXY_PORT = 3128;

/** Hosts that are the agent's own, and not asked of the proxy. */
const OWN = "localhost,127.0.0.1,::1";

/**
 * The variables. In both cases, because programs differ in which they read.
 *
 * @param url Such as `http://127.0.0.1:3128`, with user and password where the proxy asks for them.
 * @param reachesLoopback Whether rules name the machine's own loopback: then the proxy must be asked for it too.
 */
export function proxyVariables(url: string, reachesLoopback: boolean): Record<string, string> {
  const variables: Record<string, string> = {
    HTTP_PROXY: url,
    HTTPS_PROXY: url,
    ALL_PROXY: url,
    NO_PROXY: reachesLoopback ? "" : OWN,
  };
  for (const [name, value] of Object.entries(variables)) variables[name.toLowerCase()] = value;
  return variables;
}
