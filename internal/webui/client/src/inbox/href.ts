/**
 * Returns the absolute form of a notification's URL if a link may lead there: to http or
 * https, and for a path to the page's own host. The service has checked the URL; this protects
 * pages all the same, since a link with another scheme can run code.
 */
export function safeHref(url: string | undefined, base: string): string | undefined {
  if (!/^(https?:\/\/|\/(?!\/))[^\s\\"<>\p{Cc}\p{Cf}]+$|^\/$/iu.test(url ?? "")) return undefined;
  try {
    const { protocol, username, password, href } = new URL(url!, base);
    return /^https?:$/.test(protocol) && !username && !password ? href : undefined;
  } catch {
    return undefined; // the host is not valid
  }
}
