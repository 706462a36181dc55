import { defineApp, integer, link, now, text, timestamp } from "walras";

/** What pages send: set timers, each by its seconds from now; `every`: in an interval. */
export interface Order {
  seconds: Record<string, number>;
  every?: boolean;
}

const app = defineApp({
  name: "alarm",
  doc: "Timers that write down when they fired, and tell everybody.",
  playersPerGroup: 2,
  group: { rings: integer({ initial: 0 }) },
  extraModels: {
    Ring: {
      group: link("group"),
      number: integer(),
      label: text(),
      due: timestamp(),
      fired: timestamp(),
      missed: integer(),
    },
  },
});
const { Ring } = app.extraModels;

app.page("Play", {
  live({ group }, { seconds, every }: Order) {
    for (const [label, after] of Object.entries(seconds)) {
      if (every === true) group.every(after, "ring", label);
      else group.after(after, "ring", label);
    }
  },
});
app.page("Done", {});

app.timer("ring", (group, label: string, { dueAt, missed }) => {
  group.rings += 1;
  Ring.create({ group, number: group.rings, label, due: dueAt, fired: now(), missed });
  return { 0: { n: group.rings, label } };
});

export default app;
