import { AuthorError } from "../client-sdk/errors.ts";
import { nearestName } from "../entities/suggest.ts";
import type { ChatBox, ChatOptions } from "../rooms/chat-box.ts";
import type { Language } from "../rooms/languages.ts";
import { safe } from "./field-html.ts";
import { escapeHtml } from "./template-filters.ts";

export interface ChatTagOptions {
  /** Of this page's participant. */
  readonly make: (options: ChatOptions) => ChatBox;
  readonly language: Language;
  /** URL of the script that makes chats work. */
  readonly script: string;
}

const OPTIONS: readonly string[] = ["nickname", "channel"];

/** What `{{ chat nickname=… channel=… }}` gives, of one page; `count` says how often it was asked. */
export function chatTag({ make, language, script }: ChatTagOptions) {
  const tag = {
    count: 0,
    chat(...given: unknown[]): unknown {
      const box = make(optionsOf(given));
      tag.count += 1;
      // Loaded once, and only by pages that have a chat; it runs when the whole page is there.
      return safe(
        boxHtml(box, language, tag.count) +
          (tag.count === 1 ? `<script src="${escapeHtml(script)}" defer></script>` : ""),
      );
    },
  };
  return tag;
}

/** nunjucks gives what stands as `name=value` as an object behind the other arguments. @throws AuthorError `wrong_chat` */
function optionsOf(given: readonly unknown[]): ChatOptions {
  const named = given.find((one) => typeof one === "object" && one !== null && "__keywords" in one) ?? {};
  const { __keywords, ...options } = named as Record<string, unknown>;
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown === undefined && given.every((one) => one === named)) return options;
  const meant = unknown === undefined ? undefined : nearestName(unknown, OPTIONS);
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
  throw new AuthorError(
    "wrong_chat",
    `{{ chat }} takes nickname= and channel=, ${unknown === undefined ? "by name" : `but not ${unknown}=`}.${hint} Write {{ chat nickname=player.nickname channel=group.id_in_subsession }}.`,
  );
}

/** Its classes are oTree's. The input has no name, so that the page's form does not send it. */
function boxHtml({ token, limit }: ChatBox, { say }: Language, count: number): string {
  const attributes = {
    "data-chat": token,
    "data-limit": limit,
    "data-me": say("chatMe", { nickname: "{nickname}" }),
    "data-too-long": say("chatTooLong", { most: limit }),
    "data-sending": say("chatSending"),
    "data-not-sent": say("chatNotSent"),
  };
  const data = Object.entries(attributes).map(([name, value]) => `${name}="${escapeHtml(String(value))}"`);
  const id = `walras-chat-${count}`;
  const title = escapeHtml(say("chat"));
  const prompt = escapeHtml(say("chatInput"));
  return `<div class="otree-chat" ${data.join(" ")}>
<div class="otree-chat__messages" role="log" aria-live="off" aria-label="${title}" tabindex="0"></div>
<div class="otree-chat__bottom"><label class="visually-hidden" for="${id}">${prompt}</label><textarea class="otree-chat__input form-control" id="${id}" rows="1" placeholder="${prompt}" autocomplete="off"></textarea>
<button type="button" class="otree-chat__btn-send btn btn-primary">${escapeHtml(say("chatSend"))}</button></div>
<p class="otree-chat__error" role="alert"></p>
</div>`;
}
