import { channelOf, nicknameOf } from "../entities/chat.ts";
import type { PageWalk } from "./page-walk.ts";

/** What a template says of its chat; left out: the group's own channel, and "Participant 1". */
export interface ChatOptions {
  readonly channel?: unknown;
  readonly nickname?: unknown;
}

/** A chat on one participant's page. */
export interface ChatBox {
  /** What the page shows the server for it: see chat-seal.ts. */
  readonly token: string;
  /** As stored. */
  readonly channel: string;
  readonly nickname: string;
  /** Most characters of a message. */
  readonly limit: number;
}

/** A chat on the page on which the participant is. @throws AuthorError `wrong_channel`, `wrong_nickname` */
export function chatBox({ actor, participantId, identity, player }: PageWalk, options: ChatOptions): ChatBox {
  const { memory, world, language } = actor;
  const where = `${identity}: {{ chat }}`;
  const channel = channelOf(memory, options.channel, where);
  const id = player.values.idInGroup as number;
  const nickname =
    options.nickname === undefined ? language.say("chatParticipant", { id }) : nicknameOf(options.nickname, where);
  if (world.chats === undefined) throw new Error("this server has no chats");
  const token = world.chats.seal.seal({ participantId, page: identity, channel, nickname });
  return { token, channel, nickname, limit: world.limits.chatCharacters };
}
