import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    { name: "crowd", appSequence: ["crowd"], numDemoParticipants: 200 },
    { name: "broken", appSequence: ["broken"], numDemoParticipants: 2 },
    { name: "steps", appSequence: ["steps"], numDemoParticipants: 12 },
  ],
});
