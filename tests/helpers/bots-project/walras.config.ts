import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    { name: "game", appSequence: ["game"], numDemoParticipants: 2 },
    { name: "loops", appSequence: ["loops"], numDemoParticipants: 1 },
    { name: "no_bots", appSequence: ["no_bots"], numDemoParticipants: 1 },
    { name: "wrong_export", appSequence: ["wrong_export"], numDemoParticipants: 1 },
    { name: "several", appSequence: ["rounds", "careless"], numDemoParticipants: 2 },
  ],
});
