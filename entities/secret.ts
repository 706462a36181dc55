import { randomBytes } from "node:crypto";
import type { Store, Writer } from "./store.ts";
import { SettingTable } from "./system-tables.ts";

/** A secret of this installation, made when it is first asked for: the same for all processes, and after restarts. */
export async function readSecret(
  {
    read,
    transact,
  }: { read: Pick<Store["read"], "rows">; transact<T>(work: (write: Writer) => Promise<T>): Promise<T> },
  name: string,
): Promise<string> {
  const find = async () => (await read.rows(SettingTable, { name }))[0]?.value;
  const known = await find();
  if (typeof known === "string") return known;
  const value = randomBytes(32).toString("base64url");
  try {
    await transact((write) => write.insert(SettingTable, [{ name, value }]));
    return value;
  } catch (error) {
    // Another process may have made one at the same moment.
    const theirs = await find();
    if (typeof theirs === "string") return theirs;
    throw error;
  }
}
