import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [{ name: "market", appSequence: ["market"], numDemoParticipants: 2 }],
});
