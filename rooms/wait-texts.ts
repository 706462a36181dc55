import type { Say } from "./languages.ts";

/** What Walras itself says on wait pages. */
export interface WaitTexts {
  readonly title: string;
  readonly body: (others: number) => string;
  /** @param ids idInGroup of those who are still to come; of two players it goes without saying who that is */
  readonly missing: (ids: readonly number[], players: number) => string;
  /** @param here participants of the round who are there, of all */
  readonly arrived: (here: number, all: number) => string;
  /** @param waiting players who wait for a group to be full, of its size */
  readonly forming: (waiting: number, size: number) => string;
  /** @param waiting players who wait to be put into groups */
  readonly waiting: (waiting: number) => string;
  /** The author's function failed: said calmly, since those who wait can do nothing about it. */
  readonly trouble: string;
}

/** More names than these are only counted. */
const MOST_NAMED = 5;

export function waitTexts(say: Say): WaitTexts {
  const arrived = (here: number, all: number) => say("participantsHere", { here, all, count: here });
  return {
    title: say("waitTitle"),
    body: (others) => say("waitBody", { count: others }),
    missing(ids, players) {
      if (players === 1) return "";
      if (ids.length === 0) return say("everybodyHere");
      if (players === 2) return "";
      const here = players - ids.length;
      if (ids.length > MOST_NAMED) return say("playersHere", { here, all: players, count: here });
      const names = ids.map((id) => say("player", { id })).join(say("listComma"));
      return say("stillToCome", { players: names, count: ids.length });
    },
    arrived,
    forming(waiting, size) {
      if (waiting === 0) return "";
      return waiting === size - 1 ? say("oneMoreNeeded") : arrived(waiting, size);
    },
    waiting(waiting) {
      if (waiting === 0) return "";
      return waiting === 1 ? say("onlyOneWaiting") : say("peopleWaiting", { count: waiting });
    },
    trouble: say("waitTrouble"),
  };
}
