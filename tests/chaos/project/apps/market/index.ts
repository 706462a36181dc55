import { defineApp, type GroupOf, integer, json, link, now, type PlayerOf, text } from "walras";
import { z } from "zod";

export const PLAYERS = 3;
/** What each player has in each round; give only moves it. */
export const MONEY = 100;
export const ROUNDS = 4;

/** A timer that has fired; times in milliseconds since 1970. */
export interface Rung {
  uid: string;
  due: number;
  fired: number;
}

const app = defineApp({
  name: "market",
  doc: "Money goes round. Every message says in the database that it was here, and in which order.",
  playersPerGroup: PLAYERS,
  rounds: ROUNDS,
  presenceGrace: 0.03,
  publishPresence: true,
  group: { transfers: integer({ initial: 0, publish: "group" }), rung: json<Rung[]>({ initial: [] }) },
  player: { money: integer({ initial: MONEY, publish: "group" }), given: integer({ initial: 0, publish: "player" }) },
  extraModels: { Transfer: { player: link("player"), receiver: integer(), amount: integer(), uid: text() } },
});
const { Transfer } = app.extraModels;

const give = { uid: z.string(), to: z.number(), amount: z.number().positive() };
const message = z.discriminatedUnion("do", [
  z.object({ do: z.literal("give"), ...give, tell: z.enum(["everybody", "receiver", "nobody"]) }),
  // Does the same, and then throws.
  z.object({ do: z.literal("fail"), ...give }),
  z.object({ do: z.literal("echo"), uid: z.string() }),
  // Sets a timer, in seconds.
  z.object({ do: z.literal("later"), uid: z.string(), after: z.number() }),
]);
/** What pages send; anything else is refused by the schema. */
export type Message = z.infer<typeof message>;

/** What everybody, or the receiver, is told of a transfer: its number in the group, and how things stand. */
export interface Told {
  uid: string;
  transfers: number;
  money: number[];
}

const trade = {
  message,
  live(player: PlayerOf<typeof app>, data: Message) {
    const { group } = player;
    if (data.do === "echo") return { [player.idInGroup]: { uid: data.uid } };
    if (data.do === "later") {
      group.after(data.after, "ring", data.uid);
      return;
    }
    transfer(group, player, data);
    if (data.do === "fail") throw new Error("as ordered");
    const told: Told = {
      uid: data.uid,
      transfers: group.transfers,
      money: group.getPlayers().map((one) => one.money),
    };
    if (data.tell === "everybody") return { 0: told };
    if (data.tell === "receiver") return { [data.to]: told };
  },
};

function transfer(
  group: GroupOf<typeof app>,
  player: PlayerOf<typeof app>,
  { to, amount, uid }: { to: number; amount: number; uid: string },
): void {
  player.money -= amount;
  player.given += amount;
  group.getPlayerById(to).money += amount;
  group.transfers += 1;
  Transfer.create({ player, receiver: to, amount, uid });
}

app.page("Trade", trade);
// The same with all earlier deliveries at each page load.
app.page("Deal", { ...trade, history: true });

app.timer("ring", (group, uid: string, { dueAt }) => {
  group.rung.push({ uid, due: dueAt, fired: now() });
  return { 0: { rung: uid, n: group.rung.length } };
});

export default app;
