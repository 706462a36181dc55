import { WalrasError } from "../client-sdk/errors.ts";
import type { AppSpec, PinnedPage } from "./app-spec.ts";
import { orderedPages } from "./page-order.ts";
import type { Dialect, SqlTable, SqlTables } from "./sql.ts";
import { type Deadline, ELSEWHERE, type GroupRows, type JournalEntry, type Reads } from "./store.ts";
import {
  ActorTable,
  ChatTable,
  ClientTable,
  JournalTable,
  MARK_SPAN,
  MessageMarkTable,
  ParticipantTable,
  SessionTable,
  SubsessionTable,
  TimerTable,
  WaitPageTable,
} from "./system-tables.ts";
import { snakeCase, type Value, type Values } from "./tables.ts";
import { roundCurrency } from "./values.ts";
import { createWatchReads } from "./watch-reads.ts";

/** One select. Its parameters stand in the text as $1, $2, ... in this order, each once. */
export interface Query {
  readonly text: string;
  readonly values: readonly (Value | readonly number[])[];
}

/** A read-only side of a database. Rows have the shape that the text gives them. */
export interface ReadSide {
  readonly dialect: Dialect;
  all<Row>(query: Query): Promise<Row[]>;
  /** Several selects that see the same moment. */
  snapshot(queries: readonly Query[]): Promise<Values[][]>;
}

// Participants' codes have 26 characters, sessions' 8. Whatever cannot be a code is not looked up.
const CODE = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * All reads of a store, the same for both databases.
 *
 * @param removed apps that are no longer defined, whose payoffs still count; see removed-apps.ts
 */
export function createReads(
  side: ReadSide,
  sql: SqlTables,
  apps: readonly AppSpec[],
  removed: readonly string[] = [],
): Reads {
  const session = sql.get(SessionTable);
  const participant = sql.get(ParticipantTable);
  const actor = sql.get(ActorTable);
  const journal = sql.get(JournalTable);
  const client = sql.get(ClientTable);
  const mark = sql.get(MessageMarkTable);
  const timer = sql.get(TimerTable);
  const chat = sql.get(ChatTable);
  const payoffTables: readonly { path: string; at(name: string): string }[] = [
    ...apps.map(({ player }) => sql.get(player.table)),
    ...removed.map((app) => ({ path: `"${app}_player"`, at: (name: string) => `"${snakeCase(name)}"` })),
  ];
  const deadline = ["dueAt", "actorId", "n"].map((name) => timer.at(name)).join(", ");
  const text = {
    participantByCode: select(participant, "code"),
    participantById: select(participant, "id"),
    participants: `${select(participant, "sessionId")} order by ${participant.at("idInSession")}`,
    sessionByCode: select(session, "code"),
    sessionById: select(session, "id"),
    sessions: (
      archived: boolean,
    ) => `${select(session)} where ${session.at("archivedAt")} is ${archived ? "not " : ""}null
      order by ${session.at("id")} desc limit $1`,
    actor: select(actor, "id"),
    progress: `select count(*) as "all", coalesce(sum(case when ${participant.at("pageIndex")} < $1 then 1 else 0 end), 0) as "behind"
      from ${participant.path} where ${participant.at("sessionId")} = $2`,
    // The mark at or before the number, then a look through the entries that the mark stands for.
    message: `select ${journal.list("j")} from ${journal.path} j join (${select(mark, "participantId", "clientId")}
      and ${mark.at("n")} <= $3 order by ${mark.at("n")} desc limit 1) m
      on j.${journal.at("actorId")} = m."actorId" and j.${journal.at("seq")} >= m."seq"
      and j.${journal.at("seq")} < m."seq" + ${MARK_SPAN}
      where j.${journal.at("participantId")} = m."participantId" and j.${journal.at("clientId")} = m."clientId"
      and j.${journal.at("n")} = $4`,
    lastNumber: select(client, "participantId", "clientId"),
    // For each actor a look at the end of its index, however long its journal is.
    newestSeqs: `select v.id as "id", coalesce((select max(${journal.at("seq")}) from ${journal.path}
      where ${journal.at("actorId")} = v.id), 0) as "seq"
      from ${side.dialect === "postgres" ? "unnest($1::bigint[]) v(id)" : "(select value as id from json_each($1)) v"}`,
    // Each value once for every place where it stands.
    payoffs: payoffTables
      .map((player, i) => {
        const ids = `$${2 * i + 1}`;
        const among =
          side.dialect === "postgres" ? `= any(${ids}::bigint[])` : `in (select value from json_each(${ids}))`;
        return `select ${player.at("participantId")} as "id", ${player.at("payoff")} as "payoff" from ${player.path}
        where ${player.at("participantId")} ${among} and ${player.at("groupId")} <> $${2 * i + 2}
        and ${player.at("payoff")} <> 0`;
      })
      .join(" union all "),
    chatHeads: `select ${chat.at("channel")} as "channel", ${chat.at("actorId")} as "actorId", max(${chat.at("n")}) as "n"
      from ${chat.path} where ${chat.at("channel")}
      ${side.dialect === "postgres" ? "= any(string_to_array($1, ' '))" : "in (select value from json_each($1))"}
      group by ${chat.at("channel")}, ${chat.at("actorId")}`,
    chatMessages: `select ${chat.list("m")} from ${
      side.dialect === "postgres"
        ? "unnest($1::bigint[], $2::bigint[]) v(actor, n)"
        : "(select json_extract(value, '$[0]') as actor, json_extract(value, '$[1]') as n from json_each($1)) v"
    } cross join ${chat.path} m where m.${chat.at("actorId")} = v.actor and m.${chat.at("n")} > v.n
      and m.${chat.at("channel")} = $${side.dialect === "postgres" ? 3 : 2}
      order by m.${chat.at("actorId")}, m.${chat.at("n")}`,
    size:
      side.dialect === "postgres"
        ? `select pg_database_size(current_database())::float8 as "bytes"`
        : `select page_count * page_size as "bytes" from pragma_page_count(), pragma_page_size()`,
    // The bound from below a second time by itself, for the index.
    deadlines: `select ${timer.at("actorId")} as "actorId", ${timer.at("n")} as "n", ${timer.at("dueAt")} as "dueAt"
      from ${timer.path} where ${timer.at("dueAt")} <= $1 and ${timer.at("dueAt")} >= $2
      and coalesce(${timer.at("heldUntil")}, 0) <= $3
      and (${deadline}) > ($4, $5, $6) order by ${deadline} limit $7`,
    output: (page: boolean) => `select ${journal.list()} from ${journal.path}
      where ${journal.at("actorId")} = $1 and ${journal.at("seq")} > $2 and ${journal.at("output")} is not null
      ${page ? `and (${journal.at("page")} = $3 or ${journal.at("output")} like '${ELSEWHERE}%')` : ""} order by ${journal.at("seq")} limit ${page ? "$4" : "$3"}`,
  };
  const byName = new Map(apps.map((app) => [app.name, app]));
  const groupLoads = new Map(apps.map((app) => [app, groupLoad(sql, app)]));
  // The pages of a session are pinned at its creation and never change.
  const pinned = new Map<number, readonly PinnedPage[]>();

  async function find(table: SqlTable, query: string, ...values: Value[]): Promise<Values[]> {
    return (await side.all<Values>({ text: query, values })).map((row) => table.decode(row));
  }

  async function pagesOf(sessionId: number): Promise<readonly PinnedPage[]> {
    let pages = pinned.get(sessionId);
    if (pages === undefined) {
      const [row] = await find(session, text.sessionById, sessionId);
      if (row === undefined) throw rowGone("session", sessionId);
      pages = JSON.parse(String(row.pages)) as PinnedPage[];
      // Sessions come and go; those in use come back at once.
      if (pinned.size >= 1_000) pinned.clear();
      pinned.set(sessionId, pages);
    }
    return pages;
  }

  /** The group of a participant in the app and round of a page. */
  async function groupOf(participantId: number, page: PinnedPage): Promise<number> {
    const app = byName.get(page.app);
    if (app === undefined) {
      throw new WalrasError(
        "unknown_app",
        `A participant is in the app "${page.app}", which is not loaded. Put apps/${page.app} back and start again.`,
      );
    }
    const player = sql.get(app.player.table);
    const [row] = await find(player, select(player, "participantId", "roundNumber"), participantId, page.round);
    if (row === undefined) throw rowGone(app.player.table.name, participantId);
    return Number(row.groupId);
  }

  return {
    ...createWatchReads(side, sql),

    async whereabouts(code) {
      if (!CODE.test(code)) return undefined;
      const [found] = await find(participant, text.participantByCode, code);
      if (found === undefined) return undefined;
      const sessionId = Number(found.sessionId);
      const page = orderedPages(await pagesOf(sessionId), found.pageOrder)[Math.max(Number(found.pageIndex), 1) - 1];
      const actorId = page === undefined ? null : await groupOf(Number(found.id), page);
      return { participant: found, sessionId, actorId, page: page ?? null };
    },

    async group(actorId, app) {
      const load = groupLoads.get(app);
      if (load === undefined) throw new WalrasError("unknown_app", `App ${app.name} is not one of this store's.`);
      return load.toRows(actorId, await side.snapshot(load.texts.map((query) => ({ text: query, values: [actorId] }))));
    },

    async actor(actorId) {
      const [row] = await find(actor, text.actor, actorId);
      if (row === undefined) return undefined;
      return { id: actorId, app: String(row.app), round: Number(row.roundNumber), sessionId: Number(row.sessionId) };
    },

    async participant(id) {
      return (await find(participant, text.participantById, id))[0];
    },

    async session(by) {
      if ("id" in by) return (await find(session, text.sessionById, by.id))[0];
      return CODE.test(by.code) ? (await find(session, text.sessionByCode, by.code))[0] : undefined;
    },

    sessions: (limit, archived = false) => find(session, text.sessions(archived), limit),

    async progress(sessionId, pageIndex) {
      const [row] = await side.all<{ all: number; behind: number }>({
        text: text.progress,
        values: [pageIndex, sessionId],
      });
      return { all: Number(row?.all ?? 0), behind: Number(row?.behind ?? 0) };
    },

    participants: (sessionId) => find(participant, text.participants, sessionId),

    async earlierPlayers(participantId, app, round) {
      const player = sql.get(app.player.table);
      const query = `${select(player, "participantId")} and ${player.at("roundNumber")} < $2`;
      return find(player, `${query} order by ${player.at("roundNumber")}`, participantId, round);
    },

    async earlierGroups(participantId, app, round) {
      const [player, group] = [sql.get(app.player.table), sql.get(app.group.table)];
      const query = `select ${group.list("g")} from ${player.path} p join ${group.path} g on g.${group.at("id")} = p.${player.at("groupId")}
        where p.${player.at("participantId")} = $1 and p.${player.at("roundNumber")} < $2`;
      return find(group, query, participantId, round);
    },

    async unfinishedGroups(participantId, app, round, pageIndex) {
      const player = sql.get(app.player.table);
      const [group, of] = [player.at("groupId"), player.at("participantId")];
      const query = `select distinct p.${group} as id from ${player.path} p
        join ${player.path} other on other.${group} = p.${group}
        join ${participant.path} x on x.${participant.at("id")} = other.${of}
        where p.${of} = $1 and p.${player.at("roundNumber")} < $2 and x.${participant.at("pageIndex")} < $3`;
      const rows = await side.all<{ id: number }>({ text: query, values: [participantId, round, pageIndex] });
      return new Set(rows.map(({ id }) => Number(id)));
    },

    async payoffsElsewhere(participantIds, groupId, decimals) {
      const sums = new Map(participantIds.map((id) => [id, 0]));
      if (text.payoffs === "") return sums;
      const ids = side.dialect === "postgres" ? participantIds : JSON.stringify(participantIds);
      const rows = await side.all<{ id: number; payoff: number }>({
        text: text.payoffs,
        values: payoffTables.flatMap(() => [ids, groupId]),
      });
      // One by one: a sum of the database's would add doubles.
      for (const { id, payoff } of rows) {
        sums.set(Number(id), roundCurrency((sums.get(Number(id)) ?? 0) + Number(payoff), decimals));
      }
      return sums;
    },

    async newestSeqs(actorIds) {
      const rows = await side.all<{ id: number; seq: number }>({ text: text.newestSeqs, values: [actorIds] });
      return new Map(rows.map(({ id, seq }) => [id, seq]));
    },

    journal(actorId, after, limit, page) {
      const values = page === undefined ? [actorId, after, limit] : [actorId, after, page, limit];
      return side.all<JournalEntry>({ text: text.output(page !== undefined), values });
    },

    async message(participantId, clientId, n) {
      return (await side.all<JournalEntry>({ text: text.message, values: [participantId, clientId, n, n] }))[0];
    },

    async lastNumber(participantId, clientId) {
      const [row] = await find(client, text.lastNumber, participantId, clientId);
      return row === undefined ? 0 : Number(row.n);
    },

    async chatHeads(channels) {
      // The name of a channel has no blanks.
      const names = side.dialect === "postgres" ? channels.join(" ") : JSON.stringify(channels);
      const rows = await side.all<{ channel: string; actorId: number; n: number }>({
        text: text.chatHeads,
        values: [names],
      });
      return rows.map(({ channel, actorId, n }) => ({ channel, actorId: Number(actorId), n: Number(n) }));
    },

    async chatMessages(channel, after) {
      const pairs = [...after];
      const bounds = side.dialect === "postgres" ? [[...after.keys()], [...after.values()]] : [JSON.stringify(pairs)];
      const rows = await side.all<Values>({ text: text.chatMessages, values: [...bounds, channel] });
      return rows.map((row) => chat.decode(row));
    },

    async size() {
      return (await side.all<{ bytes: number }>({ text: text.size, values: [] }))[0]?.bytes ?? 0;
    },

    deadlines(before, after, limit) {
      const { dueAt, actorId, n } = after ?? { dueAt: 0, actorId: 0, n: 0 };
      return side.all<Deadline>({ text: text.deadlines, values: [before, dueAt, before, dueAt, actorId, n, limit] });
    },

    rows(table, where = {}) {
      const found = sql.get(table);
      const names = Object.keys(where);
      const order = table.key.map((name) => found.at(name)).join(", ");
      const values = names.map((name) => found.column(name).encode(where[name]));
      return find(found, `${select(found, ...names)} order by ${order}`, ...values);
    },
  };
}

/** `select … from t where a = $1 and b = $2` */
function select(table: SqlTable, ...names: string[]): string {
  const conditions = names.map((name, i) => `${table.at(name)} = $${i + 1}`).join(" and ");
  return `select ${table.list()} from ${table.path}${conditions === "" ? "" : ` where ${conditions}`}`;
}

/** The selects that load a group of an app, all by actorId ($1), and what becomes of their answers. */
function groupLoad(sql: SqlTables, app: AppSpec) {
  const journal = sql.get(JournalTable);
  const session = sql.get(SessionTable);
  const subsession = sql.get(SubsessionTable);
  const participant = sql.get(ParticipantTable);
  const timer = sql.get(TimerTable);
  const group = sql.get(app.group.table);
  const player = sql.get(app.player.table);
  const waits = sql.get(WaitPageTable);
  const extras = Object.values(app.extras).map((extra) => sql.get(extra.table));
  const hasFields = app.rounds > 1 && Object.keys(app.subsession).length > 0;
  const ofGroup = (name: string) => `(select ${group.at(name)} from ${group.path} where ${group.at("id")} = $1)`;
  const texts = [
    `select coalesce(max(${journal.at("seq")}), 0) as "seq" from ${journal.path} where ${journal.at("actorId")} = $1`,
    select(group, "id"),
    `${select(player, "groupId")} order by ${player.at("idInGroup")}`,
    `select ${participant.list("p")} from ${player.path} pl
      join ${participant.path} p on p.${participant.at("id")} = pl.${player.at("participantId")}
      where pl.${player.at("groupId")} = $1 order by pl.${player.at("idInGroup")}`,
    `select ${session.list()} from ${session.path} where ${session.at("id")} = ${ofGroup("sessionId")}`,
    `select ${subsession.list()} from ${subsession.path} where ${subsession.at("id")} = ${ofGroup("subsessionId")}`,
    select(waits, "actorId"),
    select(timer, "actorId"),
    // The first entry but for what all groups of a round did together before: found at once, however long the journal is.
    `select ${journal.at("seq")} as "seq" from ${journal.path} where ${journal.at("actorId")} = $1
      and ${journal.at("kind")} = 'loaded' order by ${journal.at("seq")} limit 1`,
    ...extras.map((extra) => `${select(extra, "actorId")} order by ${extra.at("n")}`),
    ...(hasFields
      ? [
          `select ${subsession.list("s")} from ${subsession.path} s join ${group.path} g on g.${group.at("id")} = $1
            where s.${subsession.at("sessionId")} = g.${group.at("sessionId")} and s.${subsession.at("app")} = '${app.name}'
            and s.${subsession.at("roundNumber")} < g.${group.at("roundNumber")} order by s.${subsession.at("roundNumber")}`,
        ]
      : []),
  ];
  function toRows(actorId: number, answers: readonly Values[][]): GroupRows {
    const rows = (i: number, table: SqlTable) => (answers[i] ?? []).map((row) => table.decode(row));
    const one = (i: number, table: SqlTable) => {
      const [row] = rows(i, table);
      if (row === undefined) throw rowGone(`${table.table.name} (of a group of ${app.name})`, actorId);
      return row;
    };
    return {
      seq: Number(answers[0]?.[0]?.seq),
      isNew: answers[8]?.length === 0,
      group: one(1, group),
      players: rows(2, player),
      participants: rows(3, participant),
      session: one(4, session),
      subsession: one(5, subsession),
      waits: rows(6, waits),
      timers: rows(7, timer),
      extras: new Map(extras.map((extra, i) => [extra.table.name, rows(9 + i, extra)])),
      ...(hasFields ? { earlierSubsessions: rows(9 + extras.length, subsession) } : {}),
    };
  }
  return { texts, toRows };
}

function rowGone(table: string, id: number): WalrasError {
  return new WalrasError("row_missing", `The database has no row for ${id} in ${table}. Was it edited by hand?`);
}
