import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    { name: "probe", displayName: "Probe <1>", appSequence: ["probe"], numDemoParticipants: 2 },
    {
      name: "tuned",
      appSequence: ["probe"],
      numDemoParticipants: 2,
      ...{
        endowment: 20,
        share: 0.5,
        nudge: true,
        frame: "gain",
        words: "\nOne\r\nTwo ",
        nested: { a: 1 },
        participationFee: 3,
      },
    },
    { name: "byhand", appSequence: ["byhand"], numDemoParticipants: 1 },
    { name: "hurry", appSequence: ["hurry"], numDemoParticipants: 1 },
    { name: "bad_hook", appSequence: ["faulty"], numDemoParticipants: 1, fault: "hook" },
    { name: "bad_template", appSequence: ["faulty"], numDemoParticipants: 1, fault: "template" },
  ],
});
