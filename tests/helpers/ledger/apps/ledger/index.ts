import { defineApp, integer, link, longText } from "walras";

/** What pages send: `mute` asks for the echo alone, without a row. */
export interface Say {
  text: string;
  mute?: boolean;
}

/** What everybody on the page hears: the line's number in the group (0: mute). */
export interface Heard {
  n: number;
  text: string;
}

const app = defineApp({
  name: "ledger",
  doc: "Every message becomes a numbered line in the database, and everybody hears number and text.",
  playersPerGroup: 3,
  group: { count: integer({ initial: 0 }) },
  extraModels: { Line: { player: link("player"), number: integer(), text: longText() } },
});
const { Line } = app.extraModels;

app.page("Talk", {
  live(player, { text, mute }: Say) {
    const { group } = player;
    if (mute !== true) {
      group.count += 1;
      Line.create({ player, number: group.count, text });
    }
    const heard: Heard = { n: mute === true ? 0 : group.count, text };
    return { 0: heard };
  },
});
app.page("Done", {});

export default app;
