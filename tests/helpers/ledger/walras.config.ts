import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    { name: "one_group", appSequence: ["ledger"], numDemoParticipants: 3 },
    { name: "two_groups", appSequence: ["ledger"], numDemoParticipants: 6 },
    { name: "alarms", appSequence: ["alarm"], numDemoParticipants: 4 },
  ],
});
