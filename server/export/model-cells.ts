import type { AppSpec } from "../../entities/app-spec.ts";
import type { Values } from "../../entities/tables.ts";
import { type Cell, fieldCells, ownCells, type Source } from "./cells.ts";

/** `player.…` of one app: the built-in columns, then the author's. */
export function playerCells(app: AppSpec, source: Source): Cell<Values>[] {
  return [
    {
      name: "player.id_in_group",
      kind: "integer",
      meaning: "1, 2, 3 ... in the group",
      app: app.name,
      of: (row) => row.idInGroup ?? null,
    },
    {
      name: "player.role",
      kind: "text",
      meaning: "role in the group",
      app: app.name,
      of: (row) => app.roles[Number(row.idInGroup) - 1] ?? null,
    },
    {
      name: "player.payoff",
      kind: "currency",
      unit: source.currencyUnit,
      meaning: "what the player earned in this round",
      app: app.name,
      of: (row) => row.payoff ?? null,
    },
    ...(source.apps.some(mayReplace)
      ? [
          {
            name: "player.is_replaced",
            kind: "boolean" as const,
            meaning: "1: played by the computer, from somewhere in this round or before it",
            app: app.name,
            of: (row: Values) => row.isReplaced === true,
          },
        ]
      : []),
    ...fieldCells(app.player, source, "player."),
  ];
}

/** Whether the computer may take players' places; they then keep it in the apps that follow, too. */
function mayReplace({ pages }: AppSpec): boolean {
  return pages.some(({ wait }) => {
    const outcome = wait?.timeout?.outcome;
    return outcome === "replace" || typeof outcome === "function";
  });
}

/** `group.…` of one app. */
export function groupCells(app: AppSpec, source: Source): Cell<Values>[] {
  return [
    {
      name: "group.id_in_subsession",
      kind: "integer",
      meaning: "1, 2, 3 ... in the round",
      app: app.name,
      of: (row) => row.idInSubsession ?? null,
    },
    ...fieldCells(app.group, source, "group."),
  ];
}

/** `subsession.…` of one app, of the subsession's row. */
export function subsessionCells(app: AppSpec, source: Source): Cell<Values>[] {
  return [
    {
      name: "subsession.round_number",
      kind: "integer",
      meaning: "the round, from 1",
      app: app.name,
      of: (row) => row.roundNumber ?? null,
    },
    ...ownCells("subsession", app.subsession, source, (row: Values) => row, app.name),
  ];
}
