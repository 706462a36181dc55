import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [{ name: "two_apps", appSequence: ["short", "talk"], numDemoParticipants: 2 }],
});
