import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [{ name: "echo", appSequence: ["echo"], numDemoParticipants: 4 }],
});
