import { WalrasError } from "../client-sdk/errors.ts";
import { SessionTable } from "../entities/system-tables.ts";
import type { Value, Values } from "../entities/tables.ts";
import type { ActorWorld } from "./actor-world.ts";
import { type SessionMoney, withMoney } from "./found-at-load.ts";

/** What an experimenter may change of a session. */
export interface SessionEdit {
  readonly label: string | null;
  readonly comment: string | null;
  readonly archived: boolean;
  readonly participationFee: number;
  readonly realWorldCurrencyPerPoint: number;
}

/**
 * Changes a session that may be running. Its groups hold the parameters in memory: where those have changed, the
 * groups that this process has load anew, which open pages do not notice.
 *
 * @param now milliseconds since 1970
 * @throws WalrasError `no_such_session`, `halted`
 */
export async function editSession(
  { store, committer, now }: Pick<ActorWorld, "store" | "committer" | "now">,
  sessionId: number,
  edit: SessionEdit,
  endSession: (sessionId: number) => void,
): Promise<void> {
  const row = await store.read.session({ id: sessionId });
  if (row === undefined) throw new WalrasError("no_such_session", `There is no session ${sessionId}.`);
  const { label, comment, archived, participationFee, realWorldCurrencyPerPoint } = edit;
  const before = JSON.parse(String(row.config)) as SessionMoney;
  // What the config leaves out has its default, and need not be written down.
  const isPaidOtherwise =
    participationFee !== (before.participationFee ?? 0) ||
    realWorldCurrencyPerPoint !== (before.realWorldCurrencyPerPoint ?? 1);
  const archivedAt: Value = archived ? (row.archivedAt ?? now()) : null;
  const values: Values = { label, comment, archivedAt };
  if (isPaidOtherwise) values.config = withMoney(row.config, { participationFee, realWorldCurrencyPerPoint });
  await committer.transact((write) => write.update(SessionTable, { id: sessionId }, values));
  if (isPaidOtherwise) endSession(sessionId);
}
