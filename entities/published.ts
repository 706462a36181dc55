import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, FieldSpec, ModelSpec } from "./app-spec.ts";
import type { GroupMemory } from "./memory.ts";
import type { Value } from "./tables.ts";

/** A field that pages see in step. */
export interface PublishedField {
  readonly name: string;
  /** JSON text of a value as pages get it. */
  text(value: Value, memory: GroupMemory): string;
}

/** What pages of an app see of its rows, by who sees it. */
export interface Published {
  /** The group's fields: everybody. */
  readonly group: readonly PublishedField[];
  /** Each player's fields that everybody sees. */
  readonly players: readonly PublishedField[];
  /** Each player's fields that they alone see. */
  readonly player: readonly PublishedField[];
}

const known = new WeakMap<AppSpec, Published | null>();

/** What an app publishes; null: nothing. */
export function publishedOf(app: AppSpec): Published | null {
  let published = known.get(app);
  if (published === undefined) {
    const found = {
      group: fieldsOf(app.group, "group"),
      players: fieldsOf(app.player, "group"),
      player: fieldsOf(app.player, "player"),
    };
    if (app.publishPresence) found.players.push({ name: "connected", text: (value) => String(value === true) });
    published = found.group.length + found.players.length + found.player.length === 0 ? null : found;
    known.set(app, published);
  }
  return published;
}

/** All fields of a model that an author knows, published or not, for whoever may see them all. */
export function storedFields(model: ModelSpec): PublishedField[] {
  const own = Object.entries(model.fields).map(([name, spec]) => ({ name, text: textOf(spec) }));
  if (model.kind !== "player") return own;
  return [...own, ...["payoff", "connected"].map((name) => ({ name, text: (value: Value) => JSON.stringify(value) }))];
}

function fieldsOf(model: ModelSpec, publish: FieldSpec["publish"]): PublishedField[] {
  return Object.entries(model.fields)
    .filter(([, spec]) => spec.publish === publish)
    .map(([name, spec]) => ({ name, text: textOf(spec) }));
}

function textOf({ kind }: FieldSpec): PublishedField["text"] {
  // In memory JSON fields are their JSON text.
  if (kind === "json") return (value) => (value === null ? "null" : String(value));
  if (kind !== "link") return (value) => JSON.stringify(value);
  // Pages know players by their number in the group; the database's ids are nobody's business.
  return (value, memory) =>
    String(value === null ? null : (memory.playerById(value as number)?.values.idInGroup ?? null));
}

/**
 * Refuses what cannot be published.
 *
 * @param where names the field, e.g. "auction: Player.valuation"
 * @throws AuthorError `wrong_publish`
 */
export function checkPublish({ publish, kind, to }: FieldSpec, model: ModelSpec["kind"], where: string): void {
  if (publish === undefined) return;
  const wrong = (why: string) => new AuthorError("wrong_publish", `${where}: publish: "${publish}": ${why}`);
  if (model === "extra") {
    throw wrong(
      "rows of extra models are not kept in step in the browser. Send them from live, or keep what pages need in a field of the group, e.g. a json().",
    );
  }
  if (model === "group" && publish === "player") {
    throw wrong('a field of the group belongs to no player. Give it publish: "group", or declare it under player.');
  }
  if (kind === "link" && to === "group") {
    throw wrong("a link to the group tells its pages nothing. Leave publish out.");
  }
}
