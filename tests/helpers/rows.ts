import type { Values } from "../../entities/tables.ts";
import type { TestServer } from "./http.ts";

/** What the database has of an app's groups and players in one session. */
export async function rowsOf(
  { game }: Pick<TestServer, "game">,
  session: string,
  name: string,
): Promise<{ groups: Values[]; players: Values[] }> {
  const { read } = game.store;
  const sessionId = Number((await read.session({ code: session }))?.id);
  const app = game.apps.get(name);
  if (app === undefined) throw new Error(`there is no app ${name}`);
  return {
    groups: await read.rows(app.group.table, { sessionId }),
    players: await read.rows(app.player.table, { sessionId }),
  };
}
