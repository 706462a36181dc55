/** The types of messages, from a page's schema to handlers, bots and clients: checked by `npm run check`, never run. */
import { type Bot, defineApp, integer, type LiveCall, type PlayerOf } from "walras";
import {
  type CallDataOf,
  type CallTypeOf,
  connectLive,
  type DeliveryOf,
  type LiveOf,
  type MessageOf,
  type ReplyOf,
} from "walras/client";
import { z } from "zod";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<_T extends true>(): void {}

const app = defineApp({ name: "market", playersPerGroup: 2, group: { price: integer({ initial: 0 }) } });
type Player = PlayerOf<typeof app>;

// A map of handlers: by schema, by annotation, and without either.
const bidding = app.page("Bidding", {
  sends: z.object({ price: z.number(), by: z.number().optional() }),
  live: {
    offer: {
      message: z.object({ price: z.coerce.number<string>(), note: z.string().default("") }),
      reply: z.object({ quote: z.number() }),
      handle(player, data, call) {
        expectType<Equal<typeof player, Player>>();
        expectType<Equal<typeof data, { price: number; note: string }>>();
        call.reply({ quote: data.price });
        // @ts-expect-error the schema says a number
        call.reply({ quote: "3" });
        return { 0: { price: data.price, by: player.idInGroup } };
      },
    },
    async *stream(player, data: { texts: string[] }, call: LiveCall<number>) {
      call.reply(data.texts.length);
      // @ts-expect-error it was annotated as a number
      call.reply("3");
      yield { [player.idInGroup]: { price: 1 } };
    },
    bare: {
      message: z.object({}),
      async handle(_player, _data, { signal, outside }) {
        const got = await outside("quote", async () => ({ price: signal.aborted ? 1 : 2 }));
        expectType<Equal<typeof got, { price: number }>>();
        const now = outside("now", () => 5);
        expectType<Equal<typeof now, number>>();
        return { others: got };
      },
    },
    accept(player) {
      player.group.price = 5;
    },
  },
});

expectType<Equal<CallTypeOf<typeof bidding>, "offer" | "stream" | "bare" | "accept">>();
expectType<Equal<CallDataOf<typeof bidding, "offer">, { price: string; note?: string | undefined }>>();
expectType<Equal<ReplyOf<typeof bidding, "offer">, { quote: number }>>();
expectType<Equal<ReplyOf<typeof bidding, "stream">, number>>();
expectType<Equal<ReplyOf<typeof bidding, "accept">, unknown>>();
expectType<Equal<DeliveryOf<typeof bidding>, { price: number; by?: number | undefined }>>();

// One live method, with and without schemas.
const guess = app.page("Guess", {
  message: z.number(),
  live(_player, data, call: LiveCall<"higher" | "lower">) {
    expectType<Equal<typeof data, number>>();
    call.reply("higher");
  },
});
expectType<Equal<MessageOf<typeof guess>, number>>();
expectType<Equal<ReplyOf<typeof guess>, "higher" | "lower">>();
expectType<Equal<DeliveryOf<typeof guess>, unknown>>();
const annotated = app.page("Annotated", { live: (_player, data: { text: string }) => ({ 0: data.text }) });
expectType<Equal<MessageOf<typeof annotated>, { text: string }>>();
expectType<Equal<ReplyOf<typeof annotated>, unknown>>();
const silent = app.page("Silent");
expectType<Equal<MessageOf<typeof silent>, never>>();

// One schema for all types of message.
const trade = app.page("Trade", {
  message: z.discriminatedUnion("type", [
    z.object({ type: z.literal("bid"), amount: z.number() }),
    z.object({ type: z.literal("stop") }),
  ]),
  live: {
    bid: (_player, data) => ({ 0: data.amount }),
    stop(_player, data) {
      expectType<Equal<typeof data, { type: "stop" }>>();
    },
  },
});
const trade2 = app.page("Trade2", {
  message: z.discriminatedUnion("type", [
    z.object({ type: z.literal("bid"), amount: z.number() }),
    z.object({ type: z.literal("stop") }),
  ]),
  live: (_player, data) => (data.type === "bid" ? { 0: data.amount } : undefined),
});
expectType<Equal<MessageOf<typeof trade>, { type: "bid"; amount: number } | { type: "stop" }>>();
expectType<Equal<MessageOf<typeof trade2>, { type: "bid"; amount: number } | { type: "stop" }>>();
const wait = app.waitPage("Wait", { message: z.string(), live: (_player, data) => ({ others: data }) });
expectType<Equal<MessageOf<typeof wait>, string>>();

// Clients.
export async function client(link: string): Promise<void> {
  const live = await connectLive<typeof bidding>(link);
  const quote = await live.call("offer", { price: "4" });
  expectType<Equal<typeof quote, { quote: number }>>();
  const count = await live.call("stream", { texts: ["a"] });
  expectType<Equal<typeof count, number>>();
  await live.call("bare");
  await live.call("accept");
  await live.send({ type: "offer", price: "4", note: "n" });
  const delivery = await live.receive(({ price }) => price > 3);
  expectType<Equal<typeof delivery, { price: number; by?: number | undefined }>>();
  // @ts-expect-error the schema takes a text and gives a number
  await live.call("offer", { price: 4 });
  // @ts-expect-error price is missing
  await live.call("offer");
  // @ts-expect-error no such type
  await live.call("ofer", { price: "4" });
  // @ts-expect-error texts are missing
  await live.send({ type: "stream" });
  // @ts-expect-error no such type
  await live.send({ type: "ofer", price: "4" });
  live.close();

  const trading = await connectLive<typeof trade>(link);
  await trading.call("bid", { amount: 3 });
  await trading.call("stop");
  // @ts-expect-error amount is a number
  await trading.call("bid", { amount: "3" });
  const oneMethod = await connectLive<typeof trade2>(link);
  await oneMethod.call("bid", { amount: 3 });
  // @ts-expect-error no such type
  await oneMethod.call("bit", { amount: 3 });
  const guessing = await connectLive<typeof guess>(link);
  const hint = await guessing.send(5);
  expectType<Equal<typeof hint, "higher" | "lower">>();
  // @ts-expect-error a number
  await guessing.send("5");
}

/** In a page's own module. */
export function inBrowser(live: LiveOf<typeof bidding>): void {
  void live.call("offer", { price: "4" }).then(({ quote }) => quote.toFixed());
  // @ts-expect-error undeclared
  void live.call("offer", { price: "4" }).then(({ price }) => price);
}

export async function bot(player: Bot): Promise<void> {
  const live = player.live.on(bidding);
  const { quote } = await live.call("offer", { price: "4" });
  const { price } = await live.receive();
  player.expect(price, quote);
  // @ts-expect-error the schema takes a text
  await player.live.on(bidding).call("offer", { price: 4 });
}

// Mistakes in definitions.
app.page("WrongSends", {
  sends: z.object({ price: z.number() }),
  // @ts-expect-error the schema says a number
  live: (player) => ({ [player.idInGroup]: { price: "3" } }),
});
app.page("WrongSendsByType", {
  sends: z.object({ price: z.number() }),
  live: {
    // @ts-expect-error the schema says a number
    offer: (player) => ({ [player.idInGroup]: { price: "3" } }),
    good: (player) => [{ [player.idInGroup]: { price: 3 } }, undefined],
  },
});
app.page("WrongHandler", {
  live: {
    offer: {
      message: z.object({ price: z.number() }),
      // @ts-expect-error the schema knows no amount
      handle: (_player, data) => ({ 0: data.amount }),
    },
  },
});
app.page("NoSchema", {
  live: {
    // @ts-expect-error a handler that is not a function has a schema
    offer: { handle: () => ({ 0: 1 }) },
  },
});
app.page("NotASchema", {
  // @ts-expect-error not a schema
  message: { price: "number" },
  live() {},
});
