import { AuthorError, WalrasError } from "../client-sdk/errors.ts";
import { type Answer, Refusal, type Send } from "../client-sdk/protocol.ts";
import type { PageSpec } from "../entities/app-spec.ts";
import { chatText } from "../entities/chat.ts";
import { runIn } from "../entities/current-view.ts";
import { DirectView } from "../entities/direct-view.ts";
import { Dice } from "../entities/random.ts";
import { describe } from "../entities/values.ts";
import type { Actor } from "./actor.ts";
import type { ChatMessage } from "./author-types.ts";
import type { ChatPlace } from "./chat-seal.ts";
import type { Connection } from "./gate.ts";
import type { Outcome } from "./turn.ts";

/** What the journal keeps of a chat message. */
export interface RecordedChat extends Pick<ChatPlace, "channel" | "nickname"> {
  readonly text: unknown;
}

/** JSON text of {@link RecordedChat}; null: the message's token is not this page's. */
export function chatInput(actor: Actor, participantId: number, message: Send): string | null {
  const place = placeOf(actor, participantId, message);
  if (place === undefined) return null;
  const { channel, nickname } = place;
  return JSON.stringify({ channel, nickname, text: message.d } satisfies RecordedChat);
}

/** Where the sender may write it; undefined: nowhere. */
function placeOf({ world }: Actor, participantId: number, { p, t }: Send): ChatPlace | undefined {
  const place = t === undefined ? undefined : world.chats?.seal.open(t);
  return place?.participantId === participantId && place.page === p ? place : undefined;
}

/**
 * One message of a chat, as one unit of the group in which its sender is: a row, which whoever listens to the
 * channel is told of when it is stored. The caller has seen to it that it counts once.
 *
 * @param page on which its sender is
 * @throws WalrasError `invalid` for what may not be posted, or what the page's onChat throws; then nothing has happened
 */
export function postMessage(
  actor: Actor,
  participantId: number,
  page: PageSpec,
  message: Send,
  from: Connection | null,
): Outcome {
  const { memory, world, app } = actor;
  const { c, n, p } = message;
  const place = placeOf(actor, participantId, message);
  if (place === undefined) {
    throw new WalrasError(Refusal.INVALID, "The message belongs to a chat that is not this page's.");
  }
  const player = memory.playerOf(participantId);
  if (player === undefined) throw new Error(`no player of participant ${participantId}`);
  const text = checkedText(actor, message.d);
  const dice = new Dice(world.newSeed);
  const at = world.now();
  const what = `${p} onChat`;
  const view = new DirectView(memory, { what, at, random: dice.random });
  try {
    const { channel, nickname } = place;
    // First, so that what the app answers comes behind it.
    const row = view.addChat({ participantId, channel, nickname, body: text });
    const hook = page.onChat as ((player: unknown, message: ChatMessage) => unknown) | undefined;
    const short = channel.slice(`${memory.session.id}-${app.name}-`.length);
    const given =
      hook === undefined
        ? undefined
        : world.watchdog.watch(what, () =>
            runIn(view, () => hook(view.player(player), { text, channel: short, nickname })),
          );
    row.values.body = decided(given, text, what);
    const v = row.values.n as number;
    view.finish();
    const undo = actor.clients.use(participantId, c, n);
    return {
      unit: view.unit,
      undo,
      entry: {
        kind: "chat",
        at,
        participantId,
        page: p,
        clientId: c,
        n,
        input: chatInput(actor, participantId, message),
        output: JSON.stringify({ v }),
        seed: dice.seed,
      },
      release: () => {
        if (from !== null) actor.gate.answer(from, { c, n, v } satisfies Answer);
      },
    };
  } catch (error) {
    view.end();
    view.unit.undo();
    throw error;
  }
}

function checkedText({ language, world }: Actor, text: unknown): string {
  const most = world.limits.chatCharacters;
  if (typeof text !== "string" || text.trim() === "") {
    throw new WalrasError(Refusal.INVALID, language.say("chatEmpty"));
  }
  // As people count: a pictograph is one.
  if (text.length > most && [...text].length > most) {
    throw new WalrasError(Refusal.TOO_LARGE, language.say("chatTooLong", { most }));
  }
  return text;
}

/** What onChat has made of a message. @throws WalrasError `invalid` with its reason */
function decided(given: unknown, text: string, what: string): string {
  if (given === undefined) return text;
  if (typeof given === "string") return chatText(given, what);
  if (typeof given === "object" && given !== null && "refuse" in given && typeof given.refuse === "string") {
    throw new WalrasError(Refusal.INVALID, given.refuse);
  }
  throw new AuthorError(
    "wrong_text",
    `${what} returned ${describe(given)}; return a text, { refuse: "why" }, or nothing.`,
  );
}
