import { expect, test } from "@jest/globals";
import { Event, type Loose, openStage, rows, run } from "./helpers/game-app.ts";
import { useSqlite } from "./helpers/sqlite.ts";

const sqlite = useSqlite();
const stage = () => openStage(sqlite);

test.each<[string, (player: Loose) => unknown, RegExp]>([
  [
    "a text in an integer",
    (p) => {
      p.age = "20";
    },
    /game: Player\.age was set to "20".*Number\(/,
  ],
  [
    "a fraction in an integer",
    (p) => {
      p.age = 20.5;
    },
    /Player\.age.*20\.5/,
  ],
  [
    "a number out of range",
    (p) => {
      p.age = 17;
    },
    /less than its min 18/,
  ],
  [
    "NaN in a float",
    (p) => {
      p.weight = Number.NaN;
    },
    /Player\.weight.*NaN/,
  ],
  [
    "undefined in a float",
    (p) => {
      p.weight = undefined;
    },
    /Player\.weight.*undefined/,
  ],
  [
    "null in a field that is not blank",
    (p) => {
      p.weight = null;
    },
    /not blank/,
  ],
  [
    "another choice",
    (p) => {
      p.kind = "thief";
    },
    /"buyer", "seller"/,
  ],
  [
    "a number in a boolean",
    (p) => {
      p.ready = 1;
    },
    /Player\.ready/,
  ],
  [
    "NUL in a text",
    (p) => {
      p.essay = "a\0";
    },
    /NUL/,
  ],
  [
    "an object in a text",
    (p) => {
      p.essay = { a: 1 };
    },
    /json field/,
  ],
  [
    "a Date in a timestamp",
    (p) => {
      p.group.openedAt = new Date();
    },
    /getTime/,
  ],
  [
    "a function in a json",
    (p) => {
      p.history = [() => 1];
    },
    /function/,
  ],
  [
    "NaN put into a json in place",
    (p) => {
      p.history.push(Number.NaN);
    },
    /Player\.history.*NaN/,
  ],
  [
    "too much money",
    (p) => {
      p.price = 50.006;
    },
    /more than its max 50/,
  ],
  [
    "an undeclared name, written",
    (p) => {
      p.scroe = 1;
    },
    /Player has no field "scroe".*age/,
  ],
  ["an undeclared name, read", (p) => p.group.pto, /Group has no field "pto".*pot/],
  ["a field that was never set", (p) => p.never, /Player\.never was read but never set/],
  [
    "a built-in, written",
    (p) => {
      p.idInGroup = 2;
    },
    /Player\.idInGroup is set by Walras/,
  ],
  [
    "the round, written",
    (p) => {
      p.group.roundNumber = 2;
    },
    /Group\.roundNumber is set by Walras/,
  ],
  [
    "the group of a player, written",
    (p) => {
      p.group = {};
    },
    /Player\.group is set by Walras/,
  ],
  [
    "the session, written",
    (p) => {
      p.session.config.fee = 1;
    },
    /read.only|not extensible/,
  ],
  [
    "a method, replaced",
    (p) => {
      p.getOthersInGroup = 1;
    },
    /read only/,
  ],
  ["a whole player in a delivery", (p) => p, /whole Player was sent/],
  ["a whole group deep in a delivery", (p) => ({ a: [p.group] }), /whole Group was sent/],
  ["a whole row in a delivery", (p) => Event.create({ group: p.group, name: "x" }), /whole Event was sent/],
  [
    "a whole player in a json field",
    (p) => {
      p.group.board.at = p;
    },
    /whole Player was sent or stored/,
  ],
  ["a player in a text", (p) => `${p}`, /Player/],
  ["no such player", (p) => p.group.getPlayerById(3), /players 1 to 2/],
  ["player zero", (p) => p.group.getPlayerById(0), /players 1 to 2/],
  ["a round to come", (p) => p.inRound(2), /inRound\(2\)/],
])(
  "%s: an error that says what and where, nothing is stored, and the group plays on",
  async (_name, mistake, message) => {
    const s = await stage();
    const before = await rows(s);
    await expect(
      run(s.one, (player) => {
        player.group.pot = 9;
        player.history.push(1);
        Event.create({ group: player.group, name: "before" });
        return mistake(player);
      }),
    ).rejects.toThrow(message);
    expect(await rows(s)).toEqual(before);
    expect(await run(s.two, (player) => [player.group.pot, Event.filter({ group: player.group }).length])).toEqual([
      0.13, 0,
    ]);
  },
);
