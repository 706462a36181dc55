import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    { name: "talk", appSequence: ["talk", "other"], numDemoParticipants: 4 },
    { name: "plaudern", appSequence: ["talk"], numDemoParticipants: 2, language: "de" },
    { name: "wrong", appSequence: ["talk"], numDemoParticipants: 2, channel: "a b" },
  ],
});
