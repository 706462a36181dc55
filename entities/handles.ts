import { formatCurrency } from "../client-sdk/currency.ts";
import { AuthorError } from "../client-sdk/errors.ts";
import type { ModelSpec } from "./app-spec.ts";
import { postChat } from "./chat.ts";
import { classOf, type Getter, type Handle, ROW, VIEW } from "./handle.ts";
import type { Row } from "./memory.ts";
import { formatsOf } from "./money.ts";
import { participantElsewhere } from "./participant-elsewhere.ts";
import { earlierGroups, earlierPlayers, handleRounds } from "./past-rounds.ts";
import { snakeCase } from "./tables.ts";
import { after, atTime, cancel, every, timers } from "./timers.ts";
import type { View } from "./view.ts";

function builtIn(name: string): Getter {
  return function (this: Handle) {
    return this[VIEW].builtIn(this[ROW], name);
  };
}

const SESSION: Getter = function (this: Handle) {
  return this[VIEW].session();
};

const SUBSESSION: Getter = function (this: Handle) {
  return this[VIEW].subsession();
};

const PLAYER_BUILT_INS: Record<string, Getter> = {
  id: builtIn("id"),
  idInGroup: builtIn("idInGroup"),
  roundNumber: builtIn("roundNumber"),
  connected: builtIn("connected"),
  isReplaced(this: Handle) {
    return this[VIEW].builtIn(this[ROW], "isReplaced") === true;
  },
  session: SESSION,
  subsession: SUBSESSION,
  group(this: Handle) {
    return this[VIEW].group();
  },
  participant(this: Handle) {
    const { memory } = this[VIEW];
    const id = this[VIEW].builtIn(this[ROW], "participantId") as number;
    const row = memory.participants.get(id);
    if (row !== undefined) return this[VIEW].participant(row);
    return participantElsewhere(memory.app.name, this[ROW].values.idInGroup, memory.people.get(id));
  },
  role(this: Handle) {
    return this[VIEW].memory.app.roles[(this[VIEW].builtIn(this[ROW], "idInGroup") as number) - 1] ?? "";
  },
};

/** The label of what was chosen; the value itself where the field names no choices, and "" if nothing is set. */
function fieldDisplay(this: Handle, name: unknown): string {
  const { model } = this[ROW];
  const fields = (model as ModelSpec).fields;
  // Templates name fields as columns are named.
  const field = Object.keys(fields).find((one) => one === name || snakeCase(one) === name);
  if (field === undefined) {
    throw new AuthorError(
      "unknown_field",
      `${model?.app}: ${model?.name}.fieldDisplay(${JSON.stringify(name)}): its fields are ${Object.keys(fields).join(", ")}.`,
    );
  }
  const value = this[VIEW].builtIn(this[ROW], field);
  if (value === null) return "";
  const chosen = fields[field]?.choices?.find((choice) => choice.value === value);
  const { currency, texts = { yes: "Yes", no: "No" } } = formatsOf(this[VIEW].memory.session);
  const plain = typeof value === "boolean" ? (value ? texts.yes : texts.no) : String(value);
  const text = chosen?.label ?? plain;
  const isAmount = fields[field]?.kind === "currency" && typeof value === "number" && text === String(value);
  return isAmount ? formatCurrency(value, currency) : text;
}

const PLAYER_METHODS = {
  fieldDisplay,
  getOthersInGroup(this: Handle) {
    const view = this[VIEW];
    return view.memory.players.filter((row) => row !== this[ROW]).map((row) => view.player(row));
  },
  getOthersInSubsession(this: Handle) {
    return this[VIEW].everybody("player.getOthersInSubsession").filter((other) => other[ROW] !== this[ROW]);
  },
  ...handleRounds("player", earlierPlayers),
};

const GROUP_BUILT_INS: Record<string, Getter> = {
  id: builtIn("id"),
  idInSubsession: builtIn("idInSubsession"),
  roundNumber: builtIn("roundNumber"),
  session: SESSION,
  subsession: SUBSESSION,
};

const GROUP_METHODS = {
  fieldDisplay,
  ...handleRounds("group", earlierGroups),
  getPlayers(this: Handle) {
    const view = this[VIEW];
    return view.memory.players.map((row) => view.player(row));
  },
  getPlayerById(this: Handle, idInGroup: number) {
    const view = this[VIEW];
    const row = view.memory.playerAt(idInGroup);
    if (row === undefined) {
      throw new AuthorError(
        "unknown_player",
        `${view.memory.app.name}: getPlayerById(${idInGroup}): the group has players 1 to ${view.memory.players.length}.`,
      );
    }
    return view.player(row);
  },
  getPlayerByRole(this: Handle, role: string) {
    const { memory } = this[VIEW];
    const { roles } = memory.app;
    const row = memory.playerAt(roles.indexOf(role) + 1);
    if (row !== undefined) return this[VIEW].player(row);
    const cure = roles.includes(role)
      ? `this group has only ${memory.players.length} players`
      : roles.length === 0
        ? 'the app has no roles; name them in defineApp: roles: ["buyer", "seller"]'
        : `the roles are ${roles.join(", ")}`;
    throw new AuthorError("unknown_role", `${memory.app.name}: getPlayerByRole(${JSON.stringify(role)}): ${cure}.`);
  },
  after(this: Handle, seconds: unknown, timer: unknown, payload: unknown) {
    return after(this[VIEW], seconds, timer, payload);
  },
  every(this: Handle, seconds: unknown, timer: unknown, payload: unknown) {
    return every(this[VIEW], seconds, timer, payload);
  },
  at(this: Handle, timeMs: unknown, timer: unknown, payload: unknown) {
    return atTime(this[VIEW], timeMs, timer, payload);
  },
  cancel(this: Handle, which: unknown) {
    return cancel(this[VIEW], which);
  },
  timers(this: Handle, which: unknown) {
    return timers(this[VIEW], which);
  },
  postChat(this: Handle, text: unknown, options: unknown) {
    postChat(this[VIEW], text, options);
  },
};

const EXTRA_BUILT_INS: Record<string, Getter> = { n: builtIn("n") };

const EXTRA_METHODS = {
  delete(this: Handle) {
    this[VIEW].deleteRow(this[ROW]);
  },
};

export function playerHandle(view: View, row: Row): Handle {
  return new (classOf(row.model as ModelSpec, PLAYER_BUILT_INS, PLAYER_METHODS))(view, row);
}

export function groupHandle(view: View, row: Row): Handle {
  return new (classOf(row.model as ModelSpec, GROUP_BUILT_INS, GROUP_METHODS))(view, row);
}

export function extraHandle(view: View, row: Row): Handle {
  return new (classOf(row.model as ModelSpec, EXTRA_BUILT_INS, EXTRA_METHODS))(view, row);
}
