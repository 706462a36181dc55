import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    { name: "talk", appSequence: ["talk", "other"], numDemoParticipants: 4 },
    { name: "plaudern", appSequence: ["talk"], numDemoParticipants: 2, language: "de" },
    { name: "meet", appSequence: ["meet"], numDemoParticipants: 2 },
    { name: "early", appSequence: ["meet"], numDemoParticipants: 2, early: true },
    { name: "wrong", appSequence: ["talk"], numDemoParticipants: 2, channel: "a b" },
  ],
});
