import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import { toJson } from "../client-sdk/json.ts";
import type { GroupMemory } from "./memory.ts";
import { checkKeys } from "./suggest.ts";
import { describe } from "./values.ts";
import type { View } from "./view.ts";

/** Longest name of a channel, and longest nickname, in characters. */
const NAME_LIMIT = 100;

/**
 * The channel that a name stands for: groups of one app share it in all rounds of a session, and apps and sessions
 * never do. Left out: the group's own.
 *
 * @param where begins the error
 * @throws AuthorError `wrong_channel`
 */
export function channelOf({ session, app, actorId }: GroupMemory, name: unknown, where: string): string {
  const given = name === undefined ? actorId : name;
  if ((typeof given !== "string" && typeof given !== "number") || !/^[A-Za-z0-9_-]+$/.test(String(given))) {
    throw new AuthorError(
      "wrong_channel",
      `${where}: the channel is ${describe(given)}; give it letters without accents, digits, underscores and hyphens, e.g. "table_3", or leave it out for the group's own.`,
    );
  }
  if (String(given).length > NAME_LIMIT) {
    throw new AuthorError("wrong_channel", `${where}: the channel has more than ${NAME_LIMIT} characters.`);
  }
  return `${session.id}-${app.name}-${given}`;
}

/** A nickname as every database keeps it. @throws AuthorError `wrong_nickname` */
export function nicknameOf(given: unknown, where: string): string {
  const name = typeof given === "number" ? String(given) : given;
  if (typeof name !== "string" || name.trim() === "" || name.length > NAME_LIMIT) {
    throw new AuthorError(
      "wrong_nickname",
      `${where}: the nickname is ${describe(given)}; give it a text of 1 to ${NAME_LIMIT} characters.`,
    );
  }
  return name.toWellFormed().replaceAll("\0", "").trim();
}

/** `group.postChat(text, { nickname, channel })`: the app itself says something. */
export function postChat(view: View, text: unknown, options: unknown): void {
  const where = `${view.what}: group.postChat`;
  const { memory } = view;
  // A group that is being made has neither a number nor a channel yet.
  if (!(memory.actorId > 0) || !(memory.session.id > 0)) {
    throw new AuthorError("not_numbered", `${where}: the group is still being made. Post when its players have begun.`);
  }
  if (typeof options !== "object" || options === null) {
    throw new AuthorError(
      "wrong_nickname",
      `${where} needs a nickname: group.postChat(text, { nickname: "Moderator" }).`,
    );
  }
  checkKeys(options, ["nickname", "channel"], where);
  const { nickname, channel }: { nickname?: unknown; channel?: unknown } = options;
  view.addChat({
    participantId: null,
    channel: channelOf(memory, channel, where),
    nickname: nicknameOf(nickname, where),
    body: chatText(text, where),
  });
}

/** What an app's code wants to be said. @throws AuthorError `wrong_text` */
export function chatText(text: unknown, where: string): string {
  if (typeof text !== "string" || text.trim() === "") {
    throw new AuthorError("wrong_text", `${where}: the message is ${describe(text)}; give it a text.`);
  }
  try {
    toJson(text, where);
  } catch (error) {
    throw new AuthorError("wrong_text", messageOf(error));
  }
  return text;
}
