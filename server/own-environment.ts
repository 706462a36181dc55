/** Settings of the user's own server that one for a moment must not inherit: above all, not its database. */
const NOT_INHERITED: ReadonlySet<string> = new Set([
  "PORT",
  "HOST",
  "DATABASE_URL",
  "WALRAS_DB",
  "WALRAS_ADMIN_PASSWORD",
  "WALRAS_PRODUCTION",
  "WALRAS_PUBLIC_ADDRESS",
  "WALRAS_ORIGINS",
  "NODE_OPTIONS",
]);

/** The environment of a server that is there for a moment: for bots, for a load test. @param more its own settings */
export function ownEnvironment(more: Readonly<Record<string, string>>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !NOT_INHERITED.has(name)) env[name] = value;
  }
  return { ...env, ...more };
}
