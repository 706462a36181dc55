import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import type { DataAnswer } from "../client-sdk/monitor/rows.ts";
import type { AppSpec, ModelSpec, PinnedPage } from "../entities/app-spec.ts";
import { snakeCase, type Value, type Values } from "../entities/tables.ts";
import type { Game } from "../rooms/calls.ts";
import type { ErrorPages } from "./errors.ts";
import { allowScripts } from "./headers.ts";
import { sessionOf } from "./session-list.ts";

/** Participants on one page of the table. */
const ROWS = 100;
/** Longer values are cut. */
const LONGEST = 30;

export interface DataTableOptions {
  readonly game: Game;
  readonly pages: ErrorPages;
  readonly guard: RequestHandler;
  /** URL of the table's script. */
  readonly script: string;
  /** One of the server's own pages. */
  show(response: Response, view: string, variables: Record<string, unknown>): void;
}

/** One app in one round of a session. */
interface Stretch {
  readonly app: string;
  readonly round: number;
}

/** What a request asks for. */
interface Asked {
  readonly session: Values;
  readonly stretches: readonly Stretch[];
  readonly stretch: Stretch;
  readonly app: AppSpec;
  /** The first participant that is shown, from 0. */
  readonly from: number;
}

/** `/SessionData/<code>`: the rows of an app in a round as they are in the database, read anew on a button. */
export function dataTableRoutes({ game, pages, guard, script, show }: DataTableOptions): Router {
  const router = express.Router();
  const { read } = game.store;

  /** undefined: there is no such session, or it has no such app and round. */
  const askedOf = async (request: Request): Promise<Asked | undefined> => {
    const session = await read.session({ code: String(request.params.code) });
    if (session === undefined) return undefined;
    const stretches = stretchesOf(session);
    const { app, round, from } = request.query;
    const wanted = (one: Stretch) => one.app === app && String(one.round) === round;
    const stretch = app === undefined ? await furthest(game, session) : stretches.find(wanted);
    const spec = stretch === undefined ? undefined : game.apps.get(stretch.app);
    if (stretch === undefined || spec === undefined) return undefined;
    return { session, stretches, stretch, app: spec, from: Math.max(0, Math.trunc(Number(from)) || 0) };
  };

  /** Only the rows that are shown are read. */
  const tableOf = async ({ session, stretch, app, from }: Asked): Promise<DataAnswer & { all: number }> => {
    const positions = await read.positions(Number(session.id));
    const shown = positions.slice(from, from + ROWS);
    const { players, groups } = await read.rowsOfRound(
      app,
      stretch.round,
      shown.map(({ id }) => id),
    );
    const byPerson = new Map(players.map((player) => [Number(player.participantId), player]));
    const byId = new Map(groups.map((group) => [Number(group.id), group]));
    const columns = columnsOf(app);
    const rows = shown.map((position) => {
      const player = byPerson.get(position.id);
      const group = byId.get(Number(player?.groupId));
      return { id: position.idInSession, cells: columns.map(({ of }) => cut(of(player ?? {}, group ?? {}))) };
    });
    return { columns: columns.map(({ name }) => name), rows, all: positions.length };
  };

  router.get("/SessionData/:code", guard, async (request, response) => {
    const asked = await askedOf(request);
    if (asked === undefined) return pages.notFound(response);
    const { session, stretches, stretch, from } = asked;
    const { columns, rows, all } = await tableOf(asked);
    const link = (start: number) => `?app=${stretch.app}&round=${stretch.round}&from=${start}`;
    const isSame = (one: Stretch) => one.app === stretch.app && one.round === stretch.round;
    allowScripts(response);
    show(response, "data.html", {
      ...{ session: sessionOf(session), script, columns, rows, all, from },
      stretches: stretches.map((one) => ({ ...one, is_shown: isSame(one) })),
      here: link(from),
      before: from > 0 ? link(Math.max(0, from - ROWS)) : "",
      after: from + ROWS < all ? link(from + ROWS) : "",
    });
  });

  router.get("/SessionData/:code/rows", guard, async (request, response) => {
    response.set("Cache-Control", "no-store");
    const asked = await askedOf(request);
    if (asked === undefined) return void response.status(404).json({ code: "unknown_session" });
    const { columns, rows } = await tableOf(asked);
    response.json({ columns, rows } satisfies DataAnswer);
  });

  return router;
}

function stretchesOf(session: Values): Stretch[] {
  const pages = JSON.parse(String(session.pages)) as readonly PinnedPage[];
  const found = new Map(pages.map(({ app, round }) => [`${app}/${round}`, { app, round }]));
  return [...found.values()];
}

/** The app and round that is played: the furthest that anybody has reached. */
async function furthest({ store }: Pick<Game, "store">, session: Values): Promise<Stretch | undefined> {
  const pages = JSON.parse(String(session.pages)) as readonly PinnedPage[];
  const positions = await store.read.positions(Number(session.id));
  const index = positions.reduce((most, { pageIndex }) => Math.max(most, pageIndex), 1);
  return pages[Math.min(index, pages.length) - 1];
}

interface DataColumn {
  readonly name: string;
  of(player: Values, group: Values): Value | undefined;
}

function columnsOf(app: AppSpec): DataColumn[] {
  const fields = (model: ModelSpec, of: (name: string) => DataColumn["of"]): DataColumn[] =>
    Object.entries(model.fields).map(([name, { kind }]) => ({
      name: `${model.kind}.${snakeCase(name)}${kind === "link" ? "_id" : ""}`,
      of: of(name),
    }));
  const roles: DataColumn[] =
    app.roles.length === 0
      ? []
      : [{ name: "player.role", of: ({ idInGroup }) => app.roles[Number(idInGroup) - 1] ?? null }];
  return [
    { name: "player.id_in_group", of: ({ idInGroup }) => idInGroup },
    ...roles,
    { name: "player.payoff", of: ({ payoff }) => payoff },
    ...fields(app.player, (name) => (player) => player[name]),
    { name: "group.id_in_subsession", of: (_, { idInSubsession }) => idInSubsession },
    ...fields(app.group, (name) => (_, group) => group[name]),
  ];
}

/** As exports write it, but no longer than fits into a table. */
function cut(value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "boolean" ? String(Number(value)) : String(value);
  return text.length > LONGEST ? `${[...text].slice(0, LONGEST).join("")}…` : text;
}
