import { currency, defineApp, integer, text } from "walras";

/** For tests of the experimenter's pages: a form, a live page, a wait page, and a page after it. */
const app = defineApp({
  name: "study",
  playersPerGroup: 2,
  group: { runs: integer({ initial: 0 }), missing: text({ initial: "" }), highestBid: currency({ initial: 0 }) },
  player: {
    age: integer({ min: 18 }),
    note: text({ blank: true }),
    left: text({ initial: "" }),
  },
});

type Left = { left: string };
const leave =
  (page: string) =>
  (player: Left, { timeoutHappened }: { timeoutHappened: boolean }) => {
    if (process.env.WATCH_FAULT === page) throw new Error(`${page} cannot be left`);
    player.left += `${page}:${timeoutHappened} `;
  };

app.page("Form", {
  formFields: ["age", "note"],
  beforeNextPage(player, end) {
    leave("Form")(player, end);
    if (!end.timeoutHappened) player.note = `fee ${player.session.config.participationFee}`;
  },
});

app.page("Play", {
  live(player, bid: number) {
    player.group.highestBid = bid;
    player.participant.status = `bid ${bid}`;
    player.payoff = bid;
    return { 0: bid };
  },
  errorMessage: (player) => (player.group.highestBid > 100 ? undefined : "Bid more."),
  beforeNextPage: leave("Play"),
});

app.waitPage("Wait", {
  afterAllPlayersArrive(group, { missing }) {
    if (process.env.WATCH_FAULT === "wait") throw new Error("thirteen <i>");
    group.runs += 1;
    group.missing = missing.map((player) => player.idInGroup).join();
  },
});

app.page("Results", { beforeNextPage: leave("Results") });

export default app;
