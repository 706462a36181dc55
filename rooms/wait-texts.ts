/** What Walras itself says on wait pages. */
export const WAIT_TEXTS = {
  title: "Please wait",
  body: (others: number) =>
    others === 1 ? "Waiting for the other participant." : "Waiting for the other participants.",
  /** @param ids idInGroup of those who are still to come; of two players it goes without saying */
  missing: (ids: readonly number[], players: number) =>
    players <= 2
      ? ""
      : ids.length === 0
        ? "Everybody is here."
        : ids.length > 5
          ? `${players - ids.length} of ${players} players are here.`
          : `Still to come: ${ids.map((id) => `player ${id}`).join(", ")}.`,
  /** @param here participants of the round who are there, of all */
  arrived: (here: number, all: number) => `${here} of ${all} participants are here.`,
  /** @param waiting players who wait for a group to be full, of its size */
  forming: (waiting: number, size: number) =>
    waiting === 0
      ? ""
      : waiting === size - 1
        ? "One more participant is needed."
        : `${waiting} of ${size} participants are here.`,
  /** @param waiting players who wait to be put into groups */
  waiting: (waiting: number) =>
    waiting === 0
      ? ""
      : waiting === 1
        ? "You are the only one waiting at the moment."
        : `${waiting} participants are waiting.`,
  /** The author's function failed: said calmly, since those who wait can do nothing about it. */
  trouble: "This is taking longer than planned. Please keep this page open; you will go on from here.",
} as const;
