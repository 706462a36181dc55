import { createHmac, timingSafeEqual } from "node:crypto";

/** What a participant may do with a chat: fixed when the server renders the page, never taken from what a message says (P9). */
export interface ChatPlace {
  readonly participantId: number;
  /** `app/round/Page`: the only one from which it is listened and written. */
  readonly page: string;
  /** As stored; see channelOf. */
  readonly channel: string;
  readonly nickname: string;
}

/** Makes and reads the tokens of chats. */
export interface ChatSeal {
  seal(place: ChatPlace): string;
  /** undefined: this server has not made it. */
  open(token: string): ChatPlace | undefined;
  /** A group as pages may know it: its own number would tell participants who plays with whom. */
  source(actorId: number): string;
}

/** @param secret of the installation: the same in all its processes and after each restart, so that pages stay valid */
export function chatSeal(secret: string): ChatSeal {
  const sign = (text: string): Buffer => createHmac("sha256", secret).update(text).digest().subarray(0, 18);
  return {
    seal({ participantId, page, channel, nickname }) {
      const text = Buffer.from(JSON.stringify([participantId, page, channel, nickname])).toString("base64url");
      return `${text}.${sign(`chat ${text}`).toString("base64url")}`;
    },
    open(token) {
      const [text = "", signature = ""] = token.split(".");
      const given = Buffer.from(signature, "base64url");
      const right = sign(`chat ${text}`);
      if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
      const [participantId, page, channel, nickname] = JSON.parse(Buffer.from(text, "base64url").toString());
      return { participantId, page, channel, nickname };
    },
    source: (actorId) => sign(`source ${actorId}`).toString("base64url").slice(0, 8),
  };
}
